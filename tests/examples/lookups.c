/* SPDX-License-Identifier: MIT */
/*
 * Many ask for the addresses of a few hosts. Each host is looked up once while anybody waits for
 * it, at most two at a time; who has no patience goes without.
 */
#include <rt/rt.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER 64

static void *
new_buffer(void)
{
	return malloc(BUFFER);
}

static rt_pool buffers = RT_POOL_INIT(new_buffer, free);
static rt_once resolver = RT_ONCE_INIT;
static rt_sem slots = RT_SEM_INIT(2);
static rt_singleflight lookups = RT_SINGLEFLIGHT_INIT;
static rt_rwmutex cache_lock = RT_RWMUTEX_INIT;
static struct {
	const char *host;
	int address;
} cache[3];
static rt_mutex m = RT_MUTEX_INIT;
static rt_cond more = RT_COND_INIT;
static int answers;

static void
start_resolver(const char *config)
{
	printf("resolver: %s\n", config);
}

static int
cached(const char *host)
{
	int address = 0;

	rt_rwmutex_rlock(&cache_lock);
	for (int i = 0; i < 3; i++)
		if (cache[i].host && strcmp(cache[i].host, host) == 0)
			address = cache[i].address;
	rt_rwmutex_runlock(&cache_lock);
	return address;
}

static void *
look_up(void *host)
{
	static int n;

	if (cached(host))
		return NULL; /* another call has just landed */
	char *query = rt_pool_get(&buffers);
	rt_once_do(&resolver, start_resolver, "127.0.0.53");
	rt_sem_acquire(&slots, 1);
	snprintf(query, BUFFER, "A? %s", (const char *)host);
	rt_sleep(5 * RT_MILLISECOND); /* the network */
	rt_sem_release(&slots, 1);

	rt_rwmutex_lock(&cache_lock);
	cache[n].host = host;
	cache[n].address = (int)strlen(query);
	n++;
	rt_rwmutex_unlock(&cache_lock);
	rt_pool_put(&buffers, query);
	return NULL;
}

static void
ask(const char *host)
{
	rt_flight flight;

	while (!cached(host))
		rt_singleflight_do(&lookups, host, look_up, (void *)host, &flight);
	rt_mutex_lock(&m);
	answers++;
	rt_cond_signal(&more);
	rt_mutex_unlock(&m);
}

int
main(void)
{
	static const char *const hosts[] = {"a.example", "bb.example", "ccc.example"};
	rt_wg wg = RT_WG_INIT;

	rt_mutex_lock(&m);
	for (int i = 0; i < 30; i++)
		rt_wg_go(&wg, ask, hosts[i % 3]);
	if (!rt_cond_wait(&more, &m, .deadline = rt_now()) && errno == ETIMEDOUT)
		printf("no answer yet\n");
	while (answers < 30)
		rt_cond_wait(&more, &m);
	rt_mutex_unlock(&m);
	rt_wg_wait(&wg);
	for (int i = 0; i < 3; i++)
		printf("%s has address %d\n", hosts[i], cached(hosts[i]));
	rt_pool_drain(&buffers);
	return 0;
}
