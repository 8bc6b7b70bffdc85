/*
 * A libnvidia-ml.so.1 for tests, at the true ABI: the layouts below are written out independently of the agent's.
 * What it answers stands in the text file STUB_SCRIPT (a macro), one "key=value" a line, read at every call, so that a
 * test can change the machine while the agent runs:
 *   init=0 count=2 uuid.0=GPU-a name.0=... util.0=40 rc.util.0=15 processes.0=3 mig.0=1 ...
 * MIG devices hang on their parent as "<parent>.<slot>": mig.0=1 migmax.0=7 uuid.0.2=MIG-b gi.0.2=9 slices.0.2=2 pids.0.2=70,71
 * Processes: processes.0=3 (1000, 1001, 1002), or pids.0=41,42 mps.0=43 and what they use sm.0=41:60,42:20 (with stamp.0).
 *   A record of use may have its own stamp: sm.0=41:60:1700000000000000. rcall.0=999 fails every figure of a device.
 * A number may be "now" (microseconds since 1970) or "wave" (another percentage each second).
 * Macro KEPT: the file is kept in memory until it changes, for benchmarks: reading it at every call is no driver's work.
 * Macro R470: the process lists' names before _v3. Macro R535: the early 535 drivers, whose process list has 32-byte records.
 * Macro BARE: a driver that lacks every optional symbol.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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

#ifdef KEPT
static int text(const char *key, char *out, size_t size) {
    static char lines[256][512];
    static int have;
    static struct timespec read_at;
    struct stat now;
    size_t length = strlen(key);
    if (stat(STUB_SCRIPT, &now)) return 0;
    if (now.st_mtim.tv_sec != read_at.tv_sec || now.st_mtim.tv_nsec != read_at.tv_nsec) {
        FILE *file = fopen(STUB_SCRIPT, "r");
        if (!file) return 0;
        for (have = 0; have < 256 && fgets(lines[have], sizeof lines[0], file); have++) lines[have][strcspn(lines[have], "\n")] = 0;
        fclose(file);
        read_at = now.st_mtim;
    }
    for (int i = have - 1; i >= 0; i--) {
        if (strncmp(lines[i], key, length) == 0 && lines[i][length] == '=') {
            snprintf(out, size, "%s", lines[i] + length + 1);
            return 1;
        }
    }
    return 0;
}
#else
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
#endif

static uint64_t number(const char *key, uint64_t fallback) {
    char value[512];
    struct timespec now;
    if (!text(key, value, sizeof value)) return fallback;
    if (strcmp(value, "now") && strcmp(value, "wave")) return strtoull(value, NULL, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    return value[0] == 'n' ? (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 : 30 + (uint64_t)now.tv_sec % 41;
}

/* A handle is index + 1; a MIG device's is that and 1000 * (slot + 1). */
static int is_mig(dev d) { return (intptr_t)d > 1000; }

static void key_of(char *key, size_t size, const char *what, dev d) {
    int parent = (int)((intptr_t)d % 1000) - 1;
    if (is_mig(d)) snprintf(key, size, "%s.%d.%d", what, parent, (int)((intptr_t)d / 1000) - 1);
    else snprintf(key, size, "%s.%d", what, parent);
}

static uint64_t of(const char *what, dev d, uint64_t fallback) {
    char key[64];
    key_of(key, sizeof key, what, d);
    return number(key, fallback);
}

static int cut(dev d) { return !is_mig(d) && of("mig", d, 2) == 1; }

static ret rc(const char *what, dev d) {
    char key[64];
    if (number("alive", 1) == 0) return 1;
    if (of("lost", d, 0)) return 15;
    if (of("rcall", d, 0)) return (ret)of("rcall", d, 0);
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
    key_of(key, sizeof key, "uuid", d);
    if (!text(key, value, sizeof value)) return 2;
    if (strlen(value) + 1 > size) return 7;
    strcpy(buffer, value);
    return 0;
}

ret nvmlDeviceGetName(dev d, char *buffer, unsigned int size) { (void)d; snprintf(buffer, size, "Stub V100"); return 0; }

ret nvmlDeviceGetUtilizationRates(dev d, utilization *u) {
    u->gpu = (uint32_t)of("util", d, 0);
    u->memory = 7;
    return is_mig(d) || cut(d) ? 3 : rc("util", d);
}

ret nvmlDeviceGetMemoryInfo(dev d, memory_v1 *m) {
    m->total = 1000; m->free = 400; m->used = 600;
    return rc("memory", d);
}

static ret process_list(const char *what, dev d, unsigned int *count, process *list) {
    char key[64], value[512];
    uint32_t pids[256];
    unsigned int have = 0, room = *count;
    ret code = rc(what, d);
    if (code) return code;
    key_of(key, sizeof key, what, d);
    if (text(key, value, sizeof value))
        for (char *pid = strtok(value, ","); pid; pid = strtok(NULL, ",")) pids[have++] = (uint32_t)strtoul(pid, NULL, 10);
    else if (strcmp(what, "pids") == 0) {
        unsigned int all = (unsigned int)of("processes", d, 0);
        /* "growing" processes start between the question for the number and the question for the list. */
        if (list) all += (unsigned int)of("growing", d, 0);
        while (have < all) { pids[have] = 1000 + have; have++; }
    }
    *count = have;
    if (have > room) return 7;
    for (unsigned int i = 0; i < have; i++) {
        memset(&list[i], 0xEE, sizeof list[i]);
        list[i].pid = pids[i];
        list[i].used = i == 0 ? UINT64_MAX : 1024 * (uint64_t)i;
        list[i].gi = list[i].ci = UINT32_MAX;
    }
    return 0;
}

#ifdef R470
#define nvmlDeviceGetComputeRunningProcesses_v3 nvmlDeviceGetComputeRunningProcesses_v2
#define nvmlDeviceGetMPSComputeRunningProcesses_v3 nvmlDeviceGetMPSComputeRunningProcesses_v2
#endif
ret nvmlDeviceGetComputeRunningProcesses_v3(dev d, unsigned int *count, process *list) { return process_list("pids", d, count, list); }

ret nvmlDeviceGetProcessUtilization(dev d, process_use *list, unsigned int *count, unsigned long long since) {
    char key[64], value[512] = "1000:33";
    unsigned int have = 0, room = *count;
    uint64_t stamp = of("stamp", d, 0);
    if (is_mig(d) || cut(d)) return 3;
    if (stamp <= since) return 6;
    key_of(key, sizeof key, "sm", d);
    text(key, value, sizeof value);
    for (char *at = value; at; at = strchr(at + 1, ',')) have++;
    *count = have;
    if (!list || room < have) return 7;
    memset(list, 0, have * sizeof *list);
    char *use = strtok(value, ",");
    for (unsigned int i = 0; i < have && use; i++, use = strtok(NULL, ",")) {
        list[i].pid = (uint32_t)strtoul(use, NULL, 10);
        char *rest = strchr(use, ':');
        list[i].sm = rest ? (uint32_t)strtoul(rest + 1, &rest, 10) : 0;
        list[i].stamp = rest && *rest == ':' ? strtoull(rest + 1, NULL, 10) : stamp;
    }
    return 0;
}

#ifndef BARE
ret nvmlDeviceGetMemoryInfo_v2(dev d, memory_v2 *m) {
    if (m->version != (sizeof *m | (2u << 24))) return 25;
    m->total = of("total", d, 1000); m->reserved = 100; m->free = 400; m->used = of("used", d, 500);
    return rc("memory", d);
}
ret nvmlDeviceGetTemperature(dev d, int sensor, unsigned int *celsius) { *celsius = 61; if (is_mig(d)) return 3; return sensor == 0 ? rc("temperature", d) : 2; }
ret nvmlDeviceGetPowerUsage(dev d, unsigned int *milliwatts) { *milliwatts = 250000; return is_mig(d) ? 3 : rc("power", d); }
ret nvmlDeviceGetTotalEnergyConsumption(dev d, unsigned long long *millijoules) { *millijoules = of("energy", d, 0); return is_mig(d) ? 3 : rc("energy", d); }
ret nvmlDeviceGetMigMode(dev d, unsigned int *current, unsigned int *pending) {
    uint64_t mig = is_mig(d) ? 2 : of("mig", d, 2);
    *current = *pending = mig == 1;
    return mig == 2 ? 3 : rc("mig", d);
}
ret nvmlDeviceGetMinorNumber(dev d, unsigned int *minor) {
    *minor = (unsigned int)of("minor", d, (uint64_t)(intptr_t)d - 1);
    return is_mig(d) ? 3 : 0;
}
ret nvmlDeviceGetMPSComputeRunningProcesses_v3(dev d, unsigned int *count, process *list) { return process_list("mps", d, count, list); }
ret nvmlDeviceGetMaxMigDeviceCount(dev d, unsigned int *count) { *count = cut(d) ? (unsigned int)of("migmax", d, 7) : 0; return 0; }
ret nvmlDeviceGetMigDeviceHandleByIndex(dev parent, unsigned int slot, dev *d) {
    char value[512], key[64];
    dev made = (dev)((intptr_t)parent + 1000 * (intptr_t)(slot + 1));
    if (!cut(parent)) return 3;
    ret code = (ret)of("rc.slot", made, 0);
    if (code) return code;
    key_of(key, sizeof key, "uuid", made);
    if (!text(key, value, sizeof value) || !*value) return 6;
    *d = made;
    return 0;
}
ret nvmlDeviceGetGpuInstanceId(dev d, unsigned int *id) { *id = (unsigned int)of("gi", d, 0); return is_mig(d) ? 0 : 2; }
ret nvmlDeviceGetComputeInstanceId(dev d, unsigned int *id) { *id = (unsigned int)of("ci", d, 0); return is_mig(d) ? 0 : 2; }
typedef struct { uint32_t sms, copy, dec, enc, jpeg, ofa, gi_slices, ci_slices; uint64_t memory_mb; } attributes;
ret nvmlDeviceGetAttributes_v2(dev d, attributes *a) {
    if (!is_mig(d)) return 2;
    memset(a, 0xEE, sizeof *a);
    a->gi_slices = a->ci_slices = (uint32_t)of("slices", d, 1);
    a->memory_mb = 4864;
    return rc("attributes", d);
}
#endif

#ifdef R535
ret nvmlDeviceGetConfComputeMemSizeInfo(dev d, void *info) { (void)d; (void)info; return 3; }
#else
ret nvmlDeviceGetRunningProcessDetailList(dev d, void *list) { (void)d; (void)list; return 3; }
#endif
