/*
 * A libnvidia-ml.so.1 for tests, at the true ABI: the layouts below are written out independently of the agent's.
 * What it answers stands in the text file STUB_SCRIPT (a macro), one "key=value" a line, read at every call, so that a
 * test can change the machine while the agent runs:
 *   init=0 count=2 uuid.0=GPU-a name.0=... util.0=40 rc.util.0=15 processes.0=3 mig.0=1 ...
 * Macro R535: the early 535 drivers, whose process list has 32-byte records.
 * Macro BARE: a driver that lacks every optional symbol.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int ret;
typedef void *dev;

typedef struct { uint32_t gpu, memory; } utilization;
typedef struct { uint64_t total, free, used; } memory_v1;
typedef struct { uint32_t version; uint64_t total, reserved, free, used; } memory_v2;
typedef struct {
    uint32_t pid;
    uint64_t used;
    uint32_t gi, ci;
#ifdef R535
    uint64_t cc;
#endif
} process;
typedef struct { uint32_t pid; uint64_t stamp; uint32_t sm, mem, enc, dec; } process_use;

static int text(const char *key, char *out, size_t size) {
    char line[512];
    size_t length = strlen(key);
    int found = 0;
    FILE *file = fopen(STUB_SCRIPT, "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) == 0 && line[length] == '=') {
            line[strcspn(line, "\n")] = 0;
            snprintf(out, size, "%s", line + length + 1);
            found = 1;
        }
    }
    fclose(file);
    return found;
}

static uint64_t number(const char *key, uint64_t fallback) {
    char value[512];
    return text(key, value, sizeof value) ? strtoull(value, NULL, 0) : fallback;
}

static uint64_t of(const char *what, dev d, uint64_t fallback) {
    char key[64];
    snprintf(key, sizeof key, "%s.%d", what, (int)((intptr_t)d - 1));
    return number(key, fallback);
}

static ret rc(const char *what, dev d) {
    char key[64];
    if (number("alive", 1) == 0) return 1;
    if (of("lost", d, 0)) return 15;
    snprintf(key, sizeof key, "rc.%s", what);
    return (ret)of(key, d, 0);
}

ret nvmlInit_v2(void) { return (ret)number("init", 0); }
ret nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(ret code) { return code == 9 ? "Driver Not Loaded" : code == 1 ? "Uninitialized" : "Other"; }
ret nvmlSystemGetDriverVersion(char *buffer, unsigned int size) { snprintf(buffer, size, "550.54"); return 0; }

ret nvmlDeviceGetCount_v2(unsigned int *count) {
    if (number("alive", 1) == 0) return 1;
    *count = (unsigned int)number("count", 0);
    return 0;
}

ret nvmlDeviceGetHandleByIndex_v2(unsigned int index, dev *d) {
    *d = (dev)(intptr_t)(index + 1);
    return (ret)of("rc.handle", *d, 0);
}

ret nvmlDeviceGetUUID(dev d, char *buffer, unsigned int size) {
    char key[64], value[512];
    snprintf(key, sizeof key, "uuid.%d", (int)((intptr_t)d - 1));
    if (!text(key, value, sizeof value)) return 2;
    if (strlen(value) + 1 > size) return 7;
    strcpy(buffer, value);
    return 0;
}

ret nvmlDeviceGetName(dev d, char *buffer, unsigned int size) { (void)d; snprintf(buffer, size, "Stub V100"); return 0; }

ret nvmlDeviceGetUtilizationRates(dev d, utilization *u) {
    u->gpu = (uint32_t)of("util", d, 0);
    u->memory = 7;
    return rc("util", d);
}

ret nvmlDeviceGetMemoryInfo(dev d, memory_v1 *m) {
    m->total = 1000; m->free = 400; m->used = 600;
    return rc("memory", d);
}

ret nvmlDeviceGetComputeRunningProcesses_v3(dev d, unsigned int *count, process *list) {
    unsigned int have = (unsigned int)of("processes", d, 0);
    unsigned int room = *count;
    ret code = rc("processes", d);
    if (code) return code;
    /* "growing" processes start between the question for the number and the question for the list. */
    if (list) have += (unsigned int)of("growing", d, 0);
    *count = have;
    if (have > room) return 7;
    for (unsigned int i = 0; i < have; i++) {
        memset(&list[i], 0xEE, sizeof list[i]);
        list[i].pid = 1000 + i;
        list[i].used = i == 0 ? UINT64_MAX : 1024 * (uint64_t)i;
        list[i].gi = list[i].ci = UINT32_MAX;
    }
    return 0;
}

ret nvmlDeviceGetProcessUtilization(dev d, process_use *list, unsigned int *count, unsigned long long since) {
    uint64_t stamp = of("stamp", d, 0);
    if (stamp <= since) return 6;
    if (!list || *count < 1) { *count = 1; return 7; }
    *count = 1;
    memset(list, 0, sizeof *list);
    list->pid = 1000; list->stamp = stamp; list->sm = 33;
    return 0;
}

#ifndef BARE
ret nvmlDeviceGetMemoryInfo_v2(dev d, memory_v2 *m) {
    if (m->version != (sizeof *m | (2u << 24))) return 25;
    m->total = of("total", d, 1000); m->reserved = 100; m->free = 400; m->used = of("used", d, 500);
    return rc("memory", d);
}
ret nvmlDeviceGetTemperature(dev d, int sensor, unsigned int *celsius) { *celsius = 61; return sensor == 0 ? rc("temperature", d) : 2; }
ret nvmlDeviceGetPowerUsage(dev d, unsigned int *milliwatts) { *milliwatts = 250000; return rc("power", d); }
ret nvmlDeviceGetTotalEnergyConsumption(dev d, unsigned long long *millijoules) { *millijoules = of("energy", d, 0); return rc("energy", d); }
ret nvmlDeviceGetMigMode(dev d, unsigned int *current, unsigned int *pending) {
    uint64_t mig = of("mig", d, 2);
    *current = *pending = mig == 1;
    return mig == 2 ? 3 : rc("mig", d);
}
#endif

#ifdef R535
ret nvmlDeviceGetConfComputeMemSizeInfo(dev d, void *info) { (void)d; (void)info; return 3; }
#else
ret nvmlDeviceGetRunningProcessDetailList(dev d, void *list) { (void)d; (void)list; return 3; }
#endif
