/* A pretend NVML for tests: two GPUs, of which the second is cut into one MIG instance. With -DNO_PERMISSION its start is
 * refused; with -DLOST its first GPU is lost from the second reading of energy on; with -DOLD energy is no field yet.
 * It counts the calls that are made. Written by the public documentation of
 * NVML's API; structs and numbers are its ABI. */
#include <stdio.h>
#include <string.h>

typedef unsigned long long u64;
typedef struct { unsigned version; u64 total, reserved, free, used; } memory_v2;
typedef struct { unsigned gpu, memory; } utilisation;
typedef struct { unsigned pid; u64 bytes; unsigned instance, compute; } process;
typedef struct {
    unsigned id, scope;
    long long timestamp, latency;
    int type, status;
    union { double d; int si; unsigned ui; unsigned long ul; u64 ull; } value;
} field;

enum { OK = 0, INVALID = 2, UNSUPPORTED = 3, NO_PERMISSION_CODE = 4, TOO_SMALL = 7, GPU_LOST = 15 };

static int boards[3] = {0, 1, 2};
static int energy_reads, calls;
#define CALLED (calls++)
int pretend_calls(void) { return calls; }
#define NUMBER(device) (*(int *)(device))
#define IS_SLICE(device) (NUMBER(device) == 2)

int nvmlInit_v2(void) {
#ifdef NO_PERMISSION
    return NO_PERMISSION_CODE;
#else
    return OK;
#endif
}
int nvmlShutdown(void) { return OK; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { return snprintf(text, size, "580.95.05"), OK; }
int nvmlDeviceGetCount_v2(unsigned *count) { CALLED; return *count = 2, OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    CALLED;
    if (index > 1) return INVALID;
    return *device = &boards[index], OK;
}
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) {
    CALLED;
    return snprintf(text, size, IS_SLICE(device) ? "MIG-%d" : "GPU-%d", NUMBER(device)), OK;
}
int nvmlDeviceGetName(void *device, char *text, unsigned size) {
    CALLED;
    return snprintf(text, size, IS_SLICE(device) ? "NVIDIA H200 MIG 1g.18gb" : "NVIDIA H200"), OK;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2 *memory) {
    CALLED;
    (void)device;
    if (memory->version != (sizeof(memory_v2) | 2u << 24)) return 25;
    memory->total = 1000, memory->reserved = 100, memory->used = 300, memory->free = 600;
    return OK;
}
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *milliwatts) {
    CALLED;
    return IS_SLICE(device) ? UNSUPPORTED : (*milliwatts = 700000, OK);
}
int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *later) {
    CALLED;
    return *now = *later = NUMBER(device) == 1, OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count) { CALLED; return (void)device, *count = 7, OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **slice) {
    CALLED;
    (void)device;
    return index == 0 ? (*slice = &boards[2], OK) : 6;
}
int nvmlDeviceGetTotalEnergyConsumption(void *device, u64 *millijoules) {
    CALLED;
    return IS_SLICE(device) ? UNSUPPORTED : (*millijoules = 5000, OK);
}
int nvmlDeviceGetUtilizationRates(void *device, utilisation *rates) {
    CALLED;
    return IS_SLICE(device) ? UNSUPPORTED : (rates->gpu = 87, rates->memory = 40, OK);
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
    CALLED;
    return IS_SLICE(device) || sensor != 0 ? UNSUPPORTED : (*celsius = 61, OK);
}
int nvmlDeviceGetClockInfo(void *device, int clock, unsigned *megahertz) {
    CALLED;
    return IS_SLICE(device) ? UNSUPPORTED : (*megahertz = clock == 1 ? 1980 : 3201, OK);
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, u64 *bits) {
    CALLED;
    return IS_SLICE(device) ? UNSUPPORTED : (*bits = 0x24, OK);
}
int nvmlDeviceGetFieldValues(void *device, int count, field *values) {
    CALLED;
    for (int at = 0; at < count; at++) {
        field *asked = &values[at];
        asked->status = IS_SLICE(device) ? UNSUPPORTED : OK;
        switch (asked->id) {
#ifndef OLD
        case 83:
#ifdef LOST
            if (NUMBER(device) == 0 && ++energy_reads > 1) asked->status = GPU_LOST;
#endif
            asked->type = 3, asked->value.ull = 5000;
            break;
#endif
        case 186: asked->type = 1, asked->value.ui = 512340; break;
        case 185: asked->type = 1, asked->value.ui = 498100; break;
        case 197: asked->type = 3, asked->value.ull = 1ull << 40; break;
        case 198: asked->type = 3, asked->value.ull = 7; break;
        case 138:
            asked->status = asked->scope == 0xFFFFFFFFu ? asked->status : INVALID;
            asked->type = 3, asked->value.ull = 2;
            break;
        default: asked->status = UNSUPPORTED;
        }
    }
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, process *processes) {
    CALLED;
    (void)device;
    if (processes == NULL || *count < 1) return *count = 1, TOO_SMALL;
    *count = 1;
    memset(processes, 0, sizeof *processes);
    processes->pid = 1, processes->bytes = 200;
    return OK;
}
