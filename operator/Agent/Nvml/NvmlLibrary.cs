using System.Runtime.InteropServices;
using System.Text;

namespace Bursar.Agent.Nvml;

/// <summary>
/// NVIDIA's management library, loaded at run time and called through function pointers. A missing symbol returns
/// <see cref="NvmlReturn.FunctionNotFound"/> instead of throwing. Not safe for concurrent use.
/// </summary>
internal sealed unsafe class NvmlLibrary : IDisposable
{
    private const int TextSize = 96;

    private readonly nint _handle;
    private readonly delegate* unmanaged[Cdecl]<int> _init;
    private readonly delegate* unmanaged[Cdecl]<int> _shutdown;
    private readonly delegate* unmanaged[Cdecl]<int, byte*> _errorString;
    private readonly delegate* unmanaged[Cdecl]<byte*, uint, int> _driverVersion;
    private readonly delegate* unmanaged[Cdecl]<uint*, int> _count;
    private readonly delegate* unmanaged[Cdecl]<uint, nint*, int> _handleByIndex;
    private readonly delegate* unmanaged[Cdecl]<nint, byte*, uint, int> _uuid;
    private readonly delegate* unmanaged[Cdecl]<nint, byte*, uint, int> _name;
    private readonly delegate* unmanaged[Cdecl]<nint, NvmlUtilization*, int> _utilization;
    private readonly delegate* unmanaged[Cdecl]<nint, NvmlMemory*, int> _memory;
    private readonly delegate* unmanaged[Cdecl]<nint, NvmlMemoryV2*, int> _memoryV2;
    private readonly delegate* unmanaged[Cdecl]<nint, int, uint*, int> _temperature;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, int> _power;
    private readonly delegate* unmanaged[Cdecl]<nint, ulong*, int> _energy;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, byte*, int> _processes;
    private readonly delegate* unmanaged[Cdecl]<nint, NvmlProcessUtilizationSample*, uint*, ulong, int> _processUse;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, byte*, int> _mpsProcesses;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, uint*, int> _migMode;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, int> _maxMigDevices;
    private readonly delegate* unmanaged[Cdecl]<nint, uint, nint*, int> _migDevice;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, int> _gpuInstance;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, int> _computeInstance;
    private readonly delegate* unmanaged[Cdecl]<nint, NvmlDeviceAttributes*, int> _attributes;
    private readonly delegate* unmanaged[Cdecl]<nint, uint*, int> _minorNumber;
    private readonly NvmlCallTimes? _times;

    private NvmlLibrary(nint handle, string path, NvmlCallTimes? times)
    {
        this._handle = handle;
        this._times = times;
        Path = path;
        _init = (delegate* unmanaged[Cdecl]<int>)Export("nvmlInit_v2");
        _shutdown = (delegate* unmanaged[Cdecl]<int>)Export("nvmlShutdown");
        _errorString = (delegate* unmanaged[Cdecl]<int, byte*>)Export("nvmlErrorString");
        _driverVersion = (delegate* unmanaged[Cdecl]<byte*, uint, int>)Export("nvmlSystemGetDriverVersion");
        _count = (delegate* unmanaged[Cdecl]<uint*, int>)Export("nvmlDeviceGetCount_v2");
        _handleByIndex = (delegate* unmanaged[Cdecl]<uint, nint*, int>)Export("nvmlDeviceGetHandleByIndex_v2");
        _uuid = (delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)Export("nvmlDeviceGetUUID");
        _name = (delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)Export("nvmlDeviceGetName");
        _utilization = (delegate* unmanaged[Cdecl]<nint, NvmlUtilization*, int>)Export("nvmlDeviceGetUtilizationRates");
        _memory = (delegate* unmanaged[Cdecl]<nint, NvmlMemory*, int>)Export("nvmlDeviceGetMemoryInfo");
        _memoryV2 = (delegate* unmanaged[Cdecl]<nint, NvmlMemoryV2*, int>)Export("nvmlDeviceGetMemoryInfo_v2");
        _temperature = (delegate* unmanaged[Cdecl]<nint, int, uint*, int>)Export("nvmlDeviceGetTemperature");
        _power = (delegate* unmanaged[Cdecl]<nint, uint*, int>)Export("nvmlDeviceGetPowerUsage");
        _energy = (delegate* unmanaged[Cdecl]<nint, ulong*, int>)Export("nvmlDeviceGetTotalEnergyConsumption");
        _processes = (delegate* unmanaged[Cdecl]<nint, uint*, byte*, int>)ProcessList("nvmlDeviceGetComputeRunningProcesses");
        _processUse = (delegate* unmanaged[Cdecl]<nint, NvmlProcessUtilizationSample*, uint*, ulong, int>)Export(
            "nvmlDeviceGetProcessUtilization"
        );
        _migMode = (delegate* unmanaged[Cdecl]<nint, uint*, uint*, int>)Export("nvmlDeviceGetMigMode");
        _mpsProcesses = (delegate* unmanaged[Cdecl]<nint, uint*, byte*, int>)ProcessList("nvmlDeviceGetMPSComputeRunningProcesses");
        _maxMigDevices = (delegate* unmanaged[Cdecl]<nint, uint*, int>)Export("nvmlDeviceGetMaxMigDeviceCount");
        _migDevice = (delegate* unmanaged[Cdecl]<nint, uint, nint*, int>)Export("nvmlDeviceGetMigDeviceHandleByIndex");
        _gpuInstance = (delegate* unmanaged[Cdecl]<nint, uint*, int>)Export("nvmlDeviceGetGpuInstanceId");
        _computeInstance = (delegate* unmanaged[Cdecl]<nint, uint*, int>)Export("nvmlDeviceGetComputeInstanceId");
        _attributes = (delegate* unmanaged[Cdecl]<nint, NvmlDeviceAttributes*, int>)Export("nvmlDeviceGetAttributes_v2");
        _minorNumber = (delegate* unmanaged[Cdecl]<nint, uint*, int>)Export("nvmlDeviceGetMinorNumber");

        // Some early 535 drivers write 32-byte records into the 24-byte list of _v3. They are the only ones that export the confidential
        // computing query but not the detail list.
        ProcessStride =
            Export("nvmlDeviceGetConfComputeMemSizeInfo") != 0 && Export("nvmlDeviceGetRunningProcessDetailList") == 0
                ? sizeof(NvmlProcessDetail)
                : sizeof(NvmlProcessInfo);
    }

    public string Path { get; }

    /// <summary>Bytes between two records of the process list.</summary>
    public int ProcessStride { get; }

    /// <summary>Loads the first library of <paramref name="paths"/> that exports <c>nvmlInit_v2</c>. Null if there is none.</summary>
    public static NvmlLibrary? TryLoad(IEnumerable<string> paths, NvmlCallTimes? times = null)
    {
        foreach (string path in paths)
        {
            if (!NativeLibrary.TryLoad(path, out nint handle))
                continue;
            if (NativeLibrary.TryGetExport(handle, "nvmlInit_v2", out _))
                return new NvmlLibrary(handle, path, times);
            NativeLibrary.Free(handle);
        }
        return null;
    }

    public NvmlReturn Init() => Done("nvmlInit_v2", Begin(), _init == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_init());

    public void Shutdown()
    {
        if (_shutdown != null)
            _ = _shutdown();
    }

    /// <summary>Returns the library's text for a code. The text is in static storage, so nothing is freed.</summary>
    public string ErrorText(NvmlReturn code)
    {
        byte* text = _errorString == null ? null : _errorString((int)code);
        return Marshal.PtrToStringUTF8((nint)text) ?? $"NVML error {(int)code}";
    }

    public NvmlReturn DriverVersion(out string version)
    {
        byte* buffer = stackalloc byte[TextSize];
        var code = Done(
            "nvmlSystemGetDriverVersion",
            Begin(),
            _driverVersion == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_driverVersion(buffer, TextSize)
        );
        version = code == NvmlReturn.Success ? Text(buffer) : "";
        return code;
    }

    public NvmlReturn Count(out uint devices)
    {
        uint value = 0;
        var code = Done("nvmlDeviceGetCount_v2", Begin(), _count == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_count(&value));
        devices = value;
        return code;
    }

    public NvmlReturn HandleByIndex(uint index, out nint device)
    {
        nint value = 0;
        var code = Done(
            "nvmlDeviceGetHandleByIndex_v2",
            Begin(),
            _handleByIndex == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_handleByIndex(index, &value)
        );
        device = value;
        return code;
    }

    public NvmlReturn Uuid(nint device, out string value)
    {
        byte* buffer = stackalloc byte[TextSize];
        var code = Done(
            "nvmlDeviceGetUUID",
            Begin(),
            _uuid == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_uuid(device, buffer, TextSize)
        );
        value = code == NvmlReturn.Success ? Text(buffer) : "";
        return code;
    }

    public NvmlReturn Name(nint device, out string value)
    {
        byte* buffer = stackalloc byte[TextSize];
        var code = Done(
            "nvmlDeviceGetName",
            Begin(),
            _name == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_name(device, buffer, TextSize)
        );
        value = code == NvmlReturn.Success ? Text(buffer) : "";
        return code;
    }

    public NvmlReturn Utilization(nint device, out NvmlUtilization value)
    {
        NvmlUtilization result = default;
        var code = Done(
            "nvmlDeviceGetUtilizationRates",
            Begin(),
            _utilization == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_utilization(device, &result)
        );
        value = result;
        return code;
    }

    /// <summary>
    /// Uses version 2 if the driver has it (<paramref name="used"/> without the driver's reserved memory), else version 1.
    /// </summary>
    public NvmlReturn Memory(nint device, out ulong total, out ulong used)
    {
        if (_memoryV2 != null)
        {
            NvmlMemoryV2 second = new() { Version = NvmlMemoryV2.PackedVersion };
            var code = Done("nvmlDeviceGetMemoryInfo_v2", Begin(), (NvmlReturn)_memoryV2(device, &second));
            if (code is not (NvmlReturn.NotSupported or NvmlReturn.ArgumentVersionMismatch or NvmlReturn.FunctionNotFound))
            {
                (total, used) = (second.Total, second.Used);
                return code;
            }
        }
        NvmlMemory first = default;
        var fallback = Done(
            "nvmlDeviceGetMemoryInfo",
            Begin(),
            _memory == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_memory(device, &first)
        );
        (total, used) = (first.Total, first.Used);
        return fallback;
    }

    public NvmlReturn Temperature(nint device, out uint celsius)
    {
        const int gpuSensor = 0;
        uint value = 0;
        var code = Done(
            "nvmlDeviceGetTemperature",
            Begin(),
            _temperature == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_temperature(device, gpuSensor, &value)
        );
        celsius = value;
        return code;
    }

    public NvmlReturn Power(nint device, out uint milliwatts)
    {
        uint value = 0;
        var code = Done(
            "nvmlDeviceGetPowerUsage",
            Begin(),
            _power == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_power(device, &value)
        );
        milliwatts = value;
        return code;
    }

    public NvmlReturn Energy(nint device, out ulong millijoules)
    {
        ulong value = 0;
        var code = Done(
            "nvmlDeviceGetTotalEnergyConsumption",
            Begin(),
            _energy == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_energy(device, &value)
        );
        millijoules = value;
        return code;
    }

    public NvmlReturn MigMode(nint device, out bool on)
    {
        uint current = 0,
            pending = 0;
        var code = Done(
            "nvmlDeviceGetMigMode",
            Begin(),
            _migMode == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_migMode(device, &current, &pending)
        );
        on = code == NvmlReturn.Success && current == 1;
        return code;
    }

    /// <summary>Queries the number first, then with a larger buffer that is doubled while processes keep starting.</summary>
    public NvmlReturn Processes(nint device, out NvmlProcessInfo[] list) =>
        Processes(_processes, "nvmlDeviceGetComputeRunningProcesses_v3", device, out list);

    /// <summary>Lists the clients of an MPS server. The list of compute processes may contain only the server.</summary>
    public NvmlReturn MpsProcesses(nint device, out NvmlProcessInfo[] list) =>
        Processes(_mpsProcesses, "nvmlDeviceGetMPSComputeRunningProcesses_v3", device, out list);

    public NvmlReturn MaxMigDevices(nint device, out uint devices) =>
        Number(_maxMigDevices, "nvmlDeviceGetMaxMigDeviceCount", device, out devices);

    /// <summary>Returns <see cref="NvmlReturn.NotFound"/> for an empty slot.</summary>
    public NvmlReturn MigDevice(nint parent, uint slot, out nint device)
    {
        nint value = 0;
        var code = Done(
            "nvmlDeviceGetMigDeviceHandleByIndex",
            Begin(),
            _migDevice == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_migDevice(parent, slot, &value)
        );
        device = value;
        return code;
    }

    public NvmlReturn GpuInstance(nint device, out uint id) => Number(_gpuInstance, "nvmlDeviceGetGpuInstanceId", device, out id);

    public NvmlReturn ComputeInstance(nint device, out uint id) =>
        Number(_computeInstance, "nvmlDeviceGetComputeInstanceId", device, out id);

    public NvmlReturn Minor(nint device, out uint number) => Number(_minorNumber, "nvmlDeviceGetMinorNumber", device, out number);

    public NvmlReturn Attributes(nint device, out NvmlDeviceAttributes value)
    {
        NvmlDeviceAttributes result = default;
        var code = Done(
            "nvmlDeviceGetAttributes_v2",
            Begin(),
            _attributes == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)_attributes(device, &result)
        );
        value = result;
        return code;
    }

    private NvmlReturn Number(delegate* unmanaged[Cdecl]<nint, uint*, int> call, string name, nint device, out uint value)
    {
        uint result = 0;
        var code = Done(name, Begin(), call == null ? NvmlReturn.FunctionNotFound : (NvmlReturn)call(device, &result));
        value = result;
        return code;
    }

    private NvmlReturn Processes(
        delegate* unmanaged[Cdecl]<nint, uint*, byte*, int> call,
        string name,
        nint device,
        out NvmlProcessInfo[] list
    )
    {
        list = [];
        if (call == null)
            return NvmlReturn.FunctionNotFound;
        uint found = 0;
        var code = Done(name, Begin(), (NvmlReturn)call(device, &found, null));
        if (code != NvmlReturn.InsufficientSize)
            return code;
        uint capacity = Math.Max(found, 1) + 8;
        for (int attempt = 0; attempt < 6; attempt++, capacity *= 2)
        {
            // Size the buffer for the larger record whatever the stride, so that a driver that writes too much cannot corrupt the heap.
            byte[] buffer = new byte[checked((int)capacity * sizeof(NvmlProcessDetail))];
            found = capacity;
            fixed (byte* start = buffer)
                code = Done(name, Begin(), (NvmlReturn)call(device, &found, start));
            if (code == NvmlReturn.InsufficientSize)
                continue;
            if (code != NvmlReturn.Success)
                return code;
            list = new NvmlProcessInfo[Math.Min(found, capacity)];
            for (int i = 0; i < list.Length; i++)
                list[i] = MemoryMarshal.Read<NvmlProcessInfo>(buffer.AsSpan(i * ProcessStride));
            return code;
        }
        return code;
    }

    /// <summary>
    /// Lists the utilization by process since <paramref name="lastSeenMicroseconds"/> (Unix time). The driver's NOT_FOUND means none and
    /// returns success.
    /// </summary>
    public NvmlReturn ProcessUse(nint device, ulong lastSeenMicroseconds, out NvmlProcessUtilizationSample[] samples)
    {
        samples = [];
        if (_processUse == null)
            return NvmlReturn.FunctionNotFound;
        uint found = 0;
        var code = Done("nvmlDeviceGetProcessUtilization", Begin(), (NvmlReturn)_processUse(device, null, &found, lastSeenMicroseconds));
        if (code == NvmlReturn.NotFound)
            return NvmlReturn.Success;
        if (code != NvmlReturn.InsufficientSize)
            return code;
        uint capacity = Math.Max(found, 1) + 8;
        for (int attempt = 0; attempt < 6; attempt++, capacity *= 2)
        {
            var buffer = new NvmlProcessUtilizationSample[capacity];
            found = capacity;
            fixed (NvmlProcessUtilizationSample* start = buffer)
                code = Done(
                    "nvmlDeviceGetProcessUtilization",
                    Begin(),
                    (NvmlReturn)_processUse(device, start, &found, lastSeenMicroseconds)
                );
            if (code == NvmlReturn.InsufficientSize)
                continue;
            if (code == NvmlReturn.NotFound)
                return NvmlReturn.Success;
            if (code != NvmlReturn.Success)
                return code;
            samples = buffer[..(int)Math.Min(found, capacity)];
            return code;
        }
        return code;
    }

    public void Dispose() => NativeLibrary.Free(_handle);

    private long Begin() => _times?.Begin() ?? 0;

    private NvmlReturn Done(string call, long begun, NvmlReturn code)
    {
        _times?.Done(call, begun);
        return code;
    }

    private static string Text(byte* buffer)
    {
        var span = new ReadOnlySpan<byte>(buffer, TextSize);
        int end = span.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? span : span[..end]);
    }

    /// <summary>Version 3, or version 2 before driver 510; the records are the same.</summary>
    private nint ProcessList(string name) => Export(name + "_v3") is not 0 and var third ? third : Export(name + "_v2");

    private nint Export(string symbol) => NativeLibrary.TryGetExport(_handle, symbol, out nint address) ? address : 0;
}
