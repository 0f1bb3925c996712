# SPDX-License-Identifier: MIT
"""Goroutines of rt0 programs in gdb.

    info goroutines         lists them, and what they wait for; * marks those that are on a thread
    goroutine N COMMAND     does COMMAND in goroutine N, as in: goroutine 12 bt
    goroutine all COMMAND   ... in each; goroutine 0 COMMAND in that of the selected thread
    goroutine [N]           tells about it
    $goid()                 the number of the current goroutine, 0 if there is none
    gcore [FILE]            as ever, but with the stacks of goroutines

It is in every rt0 program (.debug_gdb_scripts, until strip), and can be sourced. All it knows of a
program comes from rt__layout (runtime/sched/layout.h): it needs no debug information. Registers and
memory are only read, so that it works on core files: a goroutine that is on no thread is shown as
the caller of the selected thread's innermost frame, by an unwinder that is on meanwhile. That frame
is number 0 and hidden, so the goroutine's own start at 1, or higher behind inlined functions.

A second unwinder, which is always on, finds the callers of libc's functions.
"""
import bisect
import collections
import os
import re
import struct
import time

import gdb.unwinder

RT0_VERSION = 1


class Rt0Record:
    """Reads structs of one kind: their fields by name."""

    CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}

    def __init__(self, size, names, fields):
        self.size = size
        self.names, form, at = [], "<", 0
        for (offset, width), name in sorted(zip(fields, names)):
            if offset < at or width not in self.CODES:
                raise gdb.GdbError("rt__layout makes no sense: field " + name)
            form += "%dx%s" % (offset - at, self.CODES[width])
            self.names.append(name)
            at = offset + width
        if at > size:
            raise gdb.GdbError("rt__layout makes no sense: a field outside its struct")
        self.struct = struct.Struct(form)

    def read(self, address):
        data = rt0_read(address, self.size)
        record = dict(zip(self.names, self.struct.unpack_from(data)))
        record["address"] = address
        return record


def rt0_read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def rt0_word(address, form="<Q"):
    return struct.unpack(form, rt0_read(address, struct.calcsize(form)))[0]


def rt0_string(address):
    text = b""
    while address and b"\0" not in text and len(text) < 256:
        text += rt0_read(address + len(text), 1)
    return text.rstrip(b"\0").decode("ascii", "replace")


class Rt0Layout:
    """rt__layout of the program: runtime/sched/layout.h, in the same order."""

    HEAD = struct.Struct("<8sIIII")
    BODY = struct.Struct("<6Q6Q6Q2QII12H")
    LAST = struct.Struct("<4xQ2HIQQI10H")  # from g_wait_since on, which is a field of G
    KIND = struct.Struct("<Q2H6H2H4x")
    TEXT = HEAD.size + 12 * 8  # where the ranges of text are
    G = ("sp pc tp status wait_reason m locked_m id stack_lo stack_hi parent_id start_pc "
         "creator_pc all_link number syscall_sp syscall_pc syscall_bp").split()
    M = "id tid curg p tp spinning all_link".split()
    P_SIZE = 4 + 4 * 7

    def __init__(self):
        at = self.find()
        magic, version, size, machine, _ = self.HEAD.unpack(rt0_read(at, self.HEAD.size))
        if magic != b"rt0-lay\0":
            raise gdb.GdbError("rt__layout is damaged, or not rt0's")
        if version != RT0_VERSION or machine != 62:
            raise gdb.GdbError("the program has version %d of rt__layout, this is for version %d: "
                               "source the rt0-gdb.py of its rt0" % (version, RT0_VERSION))
        data = rt0_read(at, min(size, 4096))[self.HEAD.size:]
        body = self.BODY.unpack_from(data)
        self.allg = body[0]
        self.status, self.reason = self.texts(*body[6:8]), self.texts(*body[8:10])
        self.text = [body[12:14], body[14:16], body[16:18]]
        self.gostart = body[18:20]
        self.saved_size, self.saved = body[20], list(zip(body[22::2], body[23::2]))
        rest = data[self.BODY.size:]
        sizes = [4 + 4 * len(names) for names in (self.G, self.M)]
        last = rest[sum(sizes) + self.P_SIZE:]
        (self.clock, at, width, kind_size, kinds, count,
         self.case_size, *case) = self.LAST.unpack_from(last.ljust(self.LAST.size, b"\0"))
        fields = list(zip(case[::2], case[1::2]))
        self.case, self.options = fields[:3], fields[3:]
        names, fields = self.G + ["wait_since"], rest[:sizes[0]] + last[:4]
        if width:
            names, fields = names + ["link_arg"], fields + last[12:16]
        self.g = self.record(names, fields)
        self.m = self.record(self.M, rest[sizes[0]:])
        self.wait_kinds = self.kinds(kinds, count) if width and kind_size == self.KIND.size else []

    @classmethod
    def kinds(cls, address, count):
        """What can be waited for: struct rt__wait_kind."""
        where = (rt0_word(address + 8 * i) for i in range(min(count, 64)))
        return [cls.KIND.unpack(rt0_read(at, cls.KIND.size)) for at in where if at]

    @staticmethod
    def record(names, data):
        words = struct.unpack_from("<I%dH" % (2 * len(names)), data)
        return Rt0Record(words[0], names, list(zip(words[1::2], words[2::2])))

    @staticmethod
    def texts(address, count):
        return [rt0_string(rt0_word(address + 8 * i)) for i in range(min(count, 256))]

    @classmethod
    def find(cls):
        if gdb.selected_inferior().pid == 0:
            raise gdb.GdbError("The program is not being run.")
        try:
            return int(gdb.parse_and_eval("(unsigned long)&rt__layout"))
        except gdb.error:
            at = cls.find_by_note()
            if not at:
                raise gdb.GdbError("This is no rt0 program: it has no rt__layout and no rt0 note.")
            return at

    @classmethod
    def find_by_note(cls):
        """In a stripped program: the third word of the note "rt0", which is in memory."""
        auxv = gdb.execute("info auxv", to_string=True)
        phdr = re.search(r"AT_PHDR .* (0x[0-9a-f]+)", auxv)
        phnum = re.search(r"AT_PHNUM .* (\d+)", auxv)
        if not phdr or not phnum:
            return None
        at, count = int(phdr.group(1), 16), int(phnum.group(1))
        headers = list(struct.iter_unpack("<IIQQQQQQ", rt0_read(at, 56 * count)))
        first = [h for h in headers if h[0] == 1 and h[2] == 0]
        if not first:
            return None
        cls.base = (at & ~4095) - first[0][3]
        for header in headers:
            if header[0] != 4:
                continue
            note = rt0_read(cls.base + header[3], header[5])
            i = note.find(struct.pack("<III", 4, 12, 1) + b"rt0\0")
            if i >= 0:
                return cls.base + header[3] + i + 24 + struct.unpack_from("<i", note, i + 24)[0]
        return None


RT0_RUNNING, RT0_SYSCALL, RT0_WAITING, RT0_DEAD = 2, 3, 4, 6
# DWARF numbers of the registers that a parked goroutine has saved.
RT0_REGISTERS = {3: "rbx", 6: "rbp", 12: "r12", 13: "r13", 14: "r14", 15: "r15"}


class Rt0Program:
    """What the program is like now: read anew for each command."""

    def __init__(self):
        self.layout = Rt0Layout()
        self.functions = {}
        self.now_ns = rt0_word(self.layout.clock, "<I") * 10**9
        connection = getattr(gdb.selected_inferior(), "connection", None)
        if connection and connection.type == "native":  # its clock stands while it is idle
            self.now_ns = max(self.now_ns, time.clock_gettime_ns(time.CLOCK_MONOTONIC))

    def goroutines(self):
        return (g for g in self.all_ever() if g["status"] not in (0, RT0_DEAD))

    def all_ever(self):
        """Dead ones, too. Each G lies on its own stack, and none is met twice, so a damaged list
        ends."""
        at, seen = rt0_word(self.layout.allg), set()
        while at:
            g = self.layout.g.read(at)
            if at in seen or not g["stack_lo"] <= at < g["stack_hi"]:
                raise gdb.GdbError("the list of goroutines is damaged behind %d" % len(seen))
            seen.add(at)
            yield g
            at = g["all_link"]

    def goroutine(self, goid):
        for g in self.goroutines():
            if g["id"] == goid:
                return g
        raise gdb.GdbError("No such goroutine: %d" % goid)

    def state(self, g):
        def text(table, i):
            return table[i] if i < len(table) and table[i] else "status %d" % i
        state = text(self.layout.status, g["status"])
        if g["status"] == RT0_WAITING and g["wait_reason"]:
            state = text(self.layout.reason, g["wait_reason"])
        if g["status"] in (RT0_WAITING, RT0_SYSCALL) and g["wait_since"]:
            minutes = (self.now_ns // 10**9 - g["wait_since"]) // 60
            state += ", %d minutes" % minutes if minutes > 0 else ""
        return state + (", locked to thread" if g["locked_m"] else "")

    def threads(self):
        """Threads by the address of their M, which is their gs base."""
        here, threads = gdb.selected_thread(), {}
        try:
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                threads[int(gdb.newest_frame().read_register("gs_base")) & (2**64 - 1)] = thread
        finally:
            here.switch()
        return threads

    def current(self):
        """The goroutine that the selected thread runs, or None."""
        base = int(gdb.newest_frame().read_register("gs_base"))
        at = base and self.layout.m.read(base)["curg"]
        return self.layout.g.read(at) if at else None

    def saved(self, g):
        """Registers of a goroutine that is on no thread, or that is about to be, or to leave it."""
        if g["status"] == RT0_SYSCALL:
            return {"rip": g["syscall_pc"], "rsp": g["syscall_sp"], "rbp": g["syscall_bp"]}
        size = self.layout.saved_size
        slots = rt0_read(g["sp"], size)
        regs = {RT0_REGISTERS[number]: struct.unpack_from("<Q", slots, at)[0]
                for number, at in self.layout.saved if number in RT0_REGISTERS}
        regs["rip"], regs["rsp"] = g["pc"], g["sp"] + size
        if g["pc"] in self.layout.gostart:
            regs["rip"] += 1  # gdb looks up the address before that of a caller
        return regs

    # Naming a place without gdb's unwinder, which would be slow for many goroutines.

    def where(self, g, threads):
        """The pc of the innermost frame outside the runtime, as far as frame pointers lead there:
        the runtime keeps them."""
        if g["m"] in threads and g["status"] in (RT0_RUNNING, RT0_SYSCALL):
            return self.where_on_thread(g, threads[g["m"]])
        try:
            regs = self.saved(g)
            pc = self.walk(regs["rip"], regs["rsp"], regs["rbp"], g["stack_hi"])
        except gdb.MemoryError:
            return g["pc"]
        # It has not begun, or its last call was a jump.
        ours = self.in_text(pc, (0,)) and not self.in_text(g["start_pc"], (0,))
        return g["start_pc"] + 1 if ours else pc

    def in_text(self, pc, which=(0, 1, 2)):
        return any(self.layout.text[i][0] <= pc < self.layout.text[i][1] for i in which)

    def walk(self, pc, sp, fp, top):
        start, data = sp, rt0_read(sp, max(0, min(512, top - sp)))
        for _ in range(32):
            if not self.in_text(pc, (0,)) or fp < sp or fp % 8 or fp + 32 > top:
                break
            if fp - start + 32 > len(data):
                start, data = fp, rt0_read(fp, min(512, top - fp))
            sp = fp + 8
            fp, *words = struct.unpack_from("<4Q", data, fp - start)
            # Below an injected call (async.S) lie flags and such first: no addresses of text.
            callers = [word for word in words if self.in_text(word)]
            if not callers:
                break
            pc = callers[0]
        return pc

    def where_on_thread(self, g, thread):
        here = gdb.selected_thread()
        try:
            thread.switch()
            frame = self.outside_runtime(gdb.newest_frame())
            return frame.pc() + (frame.level() == 0)  # others' are return addresses
        finally:
            here.switch()

    def outside_runtime(self, first):
        """The frame whose locals are worth a look: the innermost one of the program's own code."""
        for text in ((2,), (1, 2)):
            frame = first
            for _ in range(64):
                if frame and self.in_text(frame.pc(), text):
                    return frame
                frame = frame and frame.older()
        return first

    def function(self, pc):
        if pc not in self.functions:
            # gdb takes the names of the runtime for Ada's.
            symbol = gdb.execute("with print demangle off -- info symbol 0x%x" % (pc - 1),
                                 to_string=True)
            name = symbol.split(" ")[0] if " in section " in symbol else "0x%x" % (pc - 1)
            name = self.inlined(pc - 1, name[0] + name[1:].split(".")[0])  # not foo.cold
            line = gdb.current_progspace().find_pc_line(pc - 1)
            if line.symtab:
                name += " %s:%d" % (os.path.basename(line.symtab.filename), line.line)
            self.functions[pc] = name
        return self.functions[pc]

    @staticmethod
    def inlined(pc, name):
        """The innermost function, which may be inlined in the one that the symbol names: not where
        that begins, since a goroutine that is to start there has called nothing yet."""
        block, functions = gdb.current_progspace().block_for_pc(pc), []
        while block:
            if block.function:
                functions.append(block)
            block = block.superblock
        if not functions or functions[-1].start == pc:
            return name
        names = [block.function.name for block in functions[:-1]]
        return next((n for n in names if not n.startswith("rt__")), name)


class Rt0Wait:
    """What a goroutine waits for, or a case of its select."""
    def __init__(self):
        self.what, self.how, self.object, self.value, self.own = 0, "", 0, [0, 0, 0], 0
        self.deadline, self.ctx, self.cases = 0, 0, []


class Rt0Waits:
    """What goroutines wait for, in the words of the runtime's own reports: runtime/sched/waits.c.
    The objects are the program's: what cannot be read is not known."""

    OPTIONS, TIME, CHAN, SELECT, WG, MUTEX, READ, WRITE, _, SEMAPHORE, TIMER, CONTEXT = range(1, 13)
    NAMES = [None, None, "time", "channel", "select", "wait group", "mutex", "RWMutex", "RWMutex",
             "condition", "semaphore", "timer", "context", "call"]
    # By the kind of the case: what, and what is to be done with it.
    CASES = {1: (CHAN, ", to receive"), 2: (CHAN, ", to send"), 4: (TIMER, ""), 5: (WG, ""),
             6: (CONTEXT, ""), 7: (TIME, "")}
    CASES_MAX, ARGUMENT, NEVER = 16, 0xffff, 2**63 - 1

    def __init__(self, program):
        self.program, self.layout = program, program.layout
        self.owners = None

    @staticmethod
    def field(base, where):
        return rt0_word(base + where[0], "<" + Rt0Record.CODES[where[1]])

    def read(self, g):
        wait = Rt0Wait()
        try:
            if g["status"] == RT0_WAITING and g.get("link_arg"):
                self.read_goroutine(wait, g["link_arg"])
        except (gdb.MemoryError, KeyError):
            pass
        return wait

    def read_goroutine(self, wait, args):
        self.read_object(wait, *struct.unpack("<2Q", rt0_read(args, 16)))
        if wait.what == self.OPTIONS:
            (unlock, argument, options), wait.what = wait.value, 0
            wait.deadline, wait.ctx = (self.field(options, where) for where in self.layout.options)
            self.read_object(wait, unlock, argument)
        if wait.what == self.SELECT:
            first, count = wait.value[:2]
            wait.cases = [self.read_case(first + i * self.layout.case_size)
                          for i in range(min(count, self.CASES_MAX))]

    def read_object(self, wait, unlock, argument):
        for kind, what, at, *_, own_at, own_width in self.layout.wait_kinds:
            if kind == unlock and unlock:
                wait.object = argument if at == self.ARGUMENT else rt0_word(argument + at)
                wait.what = what
                wait.own = self.field(argument, (own_at, own_width)) if own_width else 0
                self.read_values(wait)

    def read_values(self, wait):
        kind = [kind for kind in self.layout.wait_kinds if kind[1] == wait.what and kind[4]]
        for i in range(3 if kind else 0):
            where = kind[0][3 + 2 * i:5 + 2 * i]
            wait.value[i] = self.field(wait.object, where) if where[1] else 0

    def read_case(self, at):
        wait, (kind, of, when) = Rt0Wait(), self.layout.case
        what, wait.how = self.CASES.get(self.field(at, kind), (0, ""))
        if what == self.TIME:
            wait.value[0] = self.field(at, when)
            wait.what = what if wait.value[0] else 0
        elif what and self.field(at, of):
            wait.what, wait.object = what, self.field(at, of)
            self.read_values(wait)
        return wait

    # Words.

    def holder(self, wait):
        """A mutex knows the low half of the thread pointer of who has locked it last."""
        if wait.what not in (self.MUTEX, self.READ) or not wait.value[0] & 1:
            return None
        if self.owners is None:
            self.owners = {}
            for g in self.program.goroutines():
                half = g["tp"] & 0xffffffff
                self.owners[half] = None if half in self.owners else g  # None: more than one
        return self.owners.get(wait.value[1] & 0xffffffff)

    def time(self, when):
        left = when - self.program.now_ns
        if when == self.NEVER:
            return " (never)"
        return " (in %d.%03ds)" % divmod(left // 1000000, 1000) if left > 0 else " (due)"

    def details(self, g, wait):
        v, who = wait.value, self.holder(wait)
        if wait.what == self.CHAN:
            return (" (%d of %d values of %d bytes)" % tuple(v) if v[1] else
                    " (unbuffered, values of %d bytes)" % v[2])
        if wait.what == self.WG:
            return " (%d to go)" % v[0]
        if wait.what == self.WRITE:
            return " (%d readers)" % (v[0] // 16)
        if wait.what == self.SEMAPHORE:
            return " (%d of %d left, wants %d)" % (v[0] // 4, v[1], wait.own)
        if wait.what == self.TIMER:
            return self.time(v[0]) if v[1] else " (stopped)"
        if wait.what == self.CONTEXT:
            return self.time(v[0]) if v[0] else ""
        if who and who["address"] == g["address"]:
            return ", which it has locked itself"
        return ", which goroutine %d has locked" % who["id"] if who else ""

    def object_text(self, g, wait):
        if wait.what == self.TIME:
            return "a time" + self.time(wait.value[0])
        return "the %s at 0x%x%s%s" % (self.NAMES[wait.what], wait.object, wait.how,
                                       self.details(g, wait))

    def text(self, g):
        """On one line; of a select, how many cases there are. Empty if it is not known."""
        wait, words = self.read(g), []
        if wait.what == self.SELECT:
            return "one of %d cases" % wait.value[1] if wait.value[1] else ""
        if 0 < wait.what < len(self.NAMES) and self.NAMES[wait.what]:
            words.append(self.object_text(g, wait))
        if wait.deadline:
            words.append("a time" + self.time(wait.deadline))
        if wait.ctx:
            words.append("the context at 0x%x" % wait.ctx)
        return ", or ".join(words)

    def lines(self, g):
        """The same, with the cases of a select."""
        wait, text = self.read(g), self.text(g)
        if wait.what != self.SELECT or not text:
            return "waits for %s\n" % text if text else ""
        text = "".join("\t%s\n" % self.object_text(g, case) for case in wait.cases if case.what)
        more = wait.value[1] - self.CASES_MAX
        return "waits for one of:\n" + text + ("\t...%d more...\n" % more if more > 0 else "")


class Rt0Unwinder(gdb.unwinder.Unwinder):
    """While a goroutine is selected: makes it the caller of its host thread's innermost frame.
    There may be inlined functions on top of that frame; rsp tells which it is."""

    def __init__(self):
        super().__init__("rt0-goroutine")
        self.enabled, self.registers, self.thread, self.level = False, None, None, 0

    def select(self, registers):
        """Returns the goroutine's innermost frame."""
        frame = gdb.newest_frame()
        self.thread = gdb.selected_thread().ptid
        self.host = [int(frame.read_register(name)) for name in ("rip", "rsp")]
        self.registers, self.enabled = registers, True
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame()
        while frame.older() and int(frame.read_register("rsp")) == self.host[1]:
            frame = frame.older()
        self.level, rt0_filter.enabled = frame.level(), True
        return frame

    def clear(self):
        if self.enabled:
            self.enabled = rt0_filter.enabled = False
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if (gdb.selected_thread().ptid != self.thread or
                [int(pending.read_register(name)) for name in ("rip", "rsp")] != self.host):
            return None
        return rt0_unwound(pending, 0, self.host[0], self.registers)


def rt0_unwound(pending, frame_sp, frame_pc, registers):
    word = gdb.lookup_type("unsigned long")
    info = pending.create_unwind_info(Rt0FrameId(gdb.Value(frame_sp).cast(word),
                                                 gdb.Value(frame_pc).cast(word)))
    for name, value in registers.items():
        info.add_saved_register(name, gdb.Value(struct.pack("<Q", value & (2**64 - 1)), word))
    return info


# That of the host's frame has sp 0, so that no stack looks as if it were below.
Rt0FrameId = collections.namedtuple("Rt0FrameId", "sp pc")


class Rt0LibcUnwinder(gdb.unwinder.Unwinder):
    """Callers of libc's functions, for which static musl has no unwind tables: the stack is
    searched for a return address behind a call of just that function, or else behind any call.
    Nothing here may ask gdb for frames, so not for the value of an expression either."""

    SIGRETURN = b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05"
    RETURN = b"\x48\x8d\x64\x24\x80\x65\xff\x34\x25"  # rt__async_return: push %gs:...
    KEPT = ("rbx", "rbp", "r12", "r13", "r14", "r15")

    def __init__(self):
        super().__init__("rt0-libc")
        self.pid, self.text, self.starts = None, None, []

    def __call__(self, pending):
        pc = int(pending.read_register("rip"))
        try:
            if rt0_read(pc, len(self.RETURN)) == self.RETURN:  # the M has the true one
                base = int(pending.read_register("gs_base")) & (2**64 - 1)
                registers = {r: int(pending.read_register(r)) for r in ("rsp",) + self.KEPT}
                registers["rip"] = rt0_word(base + rt0_word(pc + len(self.RETURN), "<I"))
                return rt0_unwound(pending, registers["rsp"], pc, registers)
            self.look_at_program()
            if (not self.text or not self.text[1][0] <= pc < self.text[1][1] or
                    gdb.current_progspace().find_pc_line(pc).symtab or
                    rt0_read(pc, len(self.SIGRETURN)) == self.SIGRETURN):
                return None
            return self.unwind(pending, pc, int(pending.read_register("rsp")))
        except (gdb.error, OSError, struct.error):
            return None

    def unwind(self, pending, pc, sp):
        start = ([0] + self.starts)[bisect.bisect(self.starts, pc - (pending.level() > 0))]
        stack, slot = self.search(sp, start)
        if slot is None:
            return None
        registers = {name: int(pending.read_register(name)) for name in self.KEPT}
        registers["rip"], registers["rsp"] = stack[slot], sp + 8 * slot + 8
        # A caller that has a frame pointer needs it: libc may have pushed it.
        for value in [registers["rbp"]] + stack[max(0, slot - 6):slot][::-1]:
            if value % 16 == 0 and 0 < value - registers["rsp"] < 2**20:
                registers["rbp"] = value
                break
        return rt0_unwound(pending, registers["rsp"], start or pc, registers)

    def search(self, sp, start):
        """The words of the stack, and the index of the return address or None."""
        stack, weak = [], None
        while len(stack) < 4096:
            try:
                data = rt0_read(sp + 8 * len(stack), 512)
            except gdb.MemoryError:
                break
            for word in struct.unpack("<64Q", data):
                stack.append(word)
                kind = self.call_before(word, start)
                if kind == 2:
                    return stack, len(stack) - 1
                if kind == 1 and weak is None and len(stack) < 512:
                    weak = len(stack) - 1
        return stack, weak

    def call_before(self, word, start):
        """2: a call of start stands before it, 1: another, 0: none."""
        if not any(low < word < high for low, high in self.text):
            return 0
        code = rt0_read(word - 8, 8)
        if code[3] == 0xe8:
            return 2 if word + struct.unpack_from("<i", code, 4)[0] == start else 1
        # call *mem or *reg: ff /2, of 2, 3, 6 or 7 bytes
        return int(any(code[i] == 0xff and code[i + 1] & 0x38 == 0x10 for i in (1, 2, 5, 6)))

    def look_at_program(self):
        """Where the texts and libc's functions are; anew for a new process."""
        pid = gdb.selected_inferior().pid
        if pid == self.pid:
            return
        self.text, self.starts = None, []
        at = Rt0Layout.find_by_note()
        if not at:
            self.pid = pid
            return
        words = struct.unpack("<6Q", rt0_read(at + Rt0Layout.TEXT, 48))
        if not -2**31 < at - words[0] < 2**31:
            return  # a PIE that has not relocated itself yet
        self.pid, self.text = pid, list(zip(words[::2], words[1::2]))
        self.starts = sorted(Rt0Layout.base + start for start in self.functions())

    @staticmethod
    def functions():
        """Addresses of functions in the symbol table of the program's file."""
        with open(gdb.current_progspace().filename, "rb") as file:
            data = file.read()
        at, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
        for i in range(count):
            section = struct.unpack_from("<IIQQQQIIQQ", data, at + 64 * i)
            if section[1] == 2:
                table = data[section[4]:section[4] + section[5]]
                return [symbol[4] for symbol in struct.iter_unpack("<IBBHQQ", table)
                        if symbol[1] & 15 == 2]
        return []


class Rt0Filter:
    """Hides the frame that is not the goroutine's."""

    def __init__(self):
        self.name, self.priority, self.enabled = "rt0-goroutine", 1000, False
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        return (f for f in frames if f.inferior_frame().level() >= rt0_unwinder.level)


class Rt0Selected:
    """with Rt0Selected(program, g): gdb's selected frame is g's, and afterwards what it was."""

    def __init__(self, program, g):
        self.program, self.g = program, g

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.level = gdb.selected_frame().level()
        rt0_unwinder.clear()
        try:
            frame = self.frame_on_thread()
            if not frame:
                frame = rt0_unwinder.select(self.program.saved(self.g))
            self.program.outside_runtime(frame).select()
        except BaseException:
            self.__exit__()
            raise

    def frame_on_thread(self):
        """Its thread may run a signal handler, or the scheduler on its own stack."""
        g = self.g
        thread = g["status"] in (RT0_RUNNING, RT0_SYSCALL) and self.program.threads().get(g["m"])
        if not thread:
            return None
        thread.switch()
        frame = gdb.newest_frame()
        for _ in range(64):
            if frame and g["stack_lo"] <= int(frame.read_register("rsp")) <= g["stack_hi"]:
                return frame
            frame = frame and frame.older()
        self.thread.switch()
        return None

    def __exit__(self, *_):
        rt0_unwinder.clear()
        if not self.thread.is_valid() or self.thread.is_running():
            return
        self.thread.switch()
        frame = gdb.newest_frame()
        while frame.level() < self.level and frame.older():
            frame = frame.older()
        frame.select()


class Rt0InfoGoroutines(gdb.Command):
    """List the goroutines of an rt0 program: number, state, innermost function outside the runtime,
and what they wait for. A * marks those that are on a thread."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, _arg, _from_tty):
        program = Rt0Program()
        threads = program.threads()
        found = sorted(program.goroutines(), key=lambda g: g["id"])
        states = [program.state(g) for g in found]
        places = [program.function(program.where(g, threads)) for g in found]
        waits = Rt0Waits(program)
        form = "%%s %%%dd  %%-%ds  %%-%ds  %%s" % (
            len(str(max([g["id"] for g in found] + [0]))),
            max(len(state) for state in states + [""]), max(len(place) for place in places + [""]))
        lines = [(form % ("*" if g["m"] else " ", g["id"], state, place, waits.text(g))).rstrip()
                 for g, state, place in zip(found, states, places)]
        gdb.write("\n".join(lines or ["No goroutines."]) + "\n")


class Rt0Goroutine(gdb.Command):
    """Execute a gdb command in the context of a goroutine.

Usage: goroutine N|all|0 COMMAND, as in: goroutine 12 bt, goroutine 3 info locals
       goroutine [N]

N is the goroutine's number, as `info goroutines' and rt_goid tell it, or an expression; 0 is the
goroutine of the selected thread. Without a command, tells about it. The selected thread and frame
are the same afterwards. Frames of a goroutine that is on no thread do not start at 0."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, arg, from_tty):
        self.dont_repeat()
        program = Rt0Program()
        which, _, command = arg.strip().partition(" ")
        if which == "all":
            if not command:
                raise gdb.GdbError("goroutine all: what to do in each?")
            self.invoke_all(program, command, from_tty)
            return
        goid = int(gdb.parse_and_eval(which)) if which else 0
        g = program.goroutine(goid) if goid else program.current()
        if not g:
            raise gdb.GdbError("The selected thread runs no goroutine.")
        if not command:
            self.tell(program, g)
            return
        with Rt0Selected(program, g):
            gdb.execute(command, from_tty)

    @staticmethod
    def invoke_all(program, command, from_tty):
        for g in sorted(program.goroutines(), key=lambda g: g["id"]):
            gdb.write("\nGoroutine %d (%s):\n" % (g["id"], program.state(g)))
            try:
                with Rt0Selected(program, g):
                    gdb.execute(command, from_tty)
            except gdb.error as error:
                gdb.write("%s\n" % error)

    @staticmethod
    def tell(program, g):
        where = program.function(program.where(g, program.threads()))
        gdb.write("Goroutine %d (%s) at %s\n" % (g["id"], program.state(g), where))
        if g["parent_id"]:
            gdb.write("created by %s in goroutine %d\n"
                      % (program.function(g["creator_pc"]), g["parent_id"]))
        gdb.write(Rt0Waits(program).lines(g))


class Rt0Gcore(gdb.Command):
    """Save a core file of the program, with the stacks of its goroutines.

Usage: gcore [FILE]

It is generate-core-file and a second look: that leaves out the rest of a mapping when a page of it
cannot be read, and between stacks there are guard pages."""

    def __init__(self):
        super().__init__("gcore", gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

    def invoke(self, arg, from_tty):
        gdb.execute("generate-core-file " + arg, from_tty)
        name = os.path.expanduser(arg.strip() or "core.%d" % gdb.selected_inferior().pid)
        program = Rt0Program()
        threads = program.threads()
        with open(name, "r+b") as core:
            header = struct.unpack("<16sHHIQQQIHHHHHH", core.read(64))
            core.seek(header[5])
            loads = sorted((h[3], h[5], h[2]) for h in
                           struct.iter_unpack("<IIQQQQQQ", core.read(56 * header[10]))
                           if h[0] == 1)
            for g in program.all_ever():
                self.add_stack(core, loads, g, threads.get(g["m"]))

    @staticmethod
    def add_stack(core, loads, g, thread):
        low = g["sp"]
        if thread:
            here = gdb.selected_thread()
            thread.switch()
            low = int(gdb.newest_frame().read_register("rsp"))
            here.switch()
        if not g["stack_lo"] <= low <= g["address"]:
            low = g["address"]
        low = max(g["stack_lo"], (low - 128) & ~4095)
        start, size, offset = loads[bisect.bisect(loads, (low, 2**64)) - 1]
        if g["stack_hi"] - start <= size:
            core.seek(offset + low - start)
            core.write(rt0_read(low, g["stack_hi"] - low))


class Rt0Goid(gdb.Function):
    """$goid(): the number of the current goroutine; 0 if there is none."""

    def __init__(self):
        super().__init__("goid")

    def invoke(self):
        g = Rt0Program().current()
        return g["id"] if g else 0


rt0_filter = Rt0Filter()
rt0_unwinder = Rt0Unwinder()
gdb.unwinder.register_unwinder(None, Rt0LibcUnwinder(), replace=True)
gdb.unwinder.register_unwinder(None, rt0_unwinder, replace=True)
gdb.events.cont.connect(lambda _: rt0_unwinder.clear())
for each in Rt0InfoGoroutines, Rt0Goroutine, Rt0Gcore, Rt0Goid:
    each()
