/* SPDX-License-Identifier: MIT */
#ifndef PACKAGES_H
#define PACKAGES_H

int config_verbose(void);
void log_line(const char *text);
int store_get(int key);

#endif
