namespace Bursar.Agent.Nvml;

/// <summary>
/// Reads the GPUs through NVML. A missing library or driver is retried every <see cref="RetryAfter"/>, so that an agent may start
/// before the driver. A lost GPU is marked, and the others are still read.
/// </summary>
public sealed class NvmlGpuReader : IGpuReader
{
    /// <summary>The pause before an unreadable driver is tried again.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    /// <summary>The pause before the library is initialized again because of a lost GPU, which cannot come back otherwise.</summary>
    public static readonly TimeSpan LostRetryAfter = TimeSpan.FromSeconds(60);

    /// <summary>How far the driver's timestamps may be ahead of the agent's clock.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(1);

    /// <summary>The paths that are tried if none is given: the loader's search path, then WSL's folder.</summary>
    public static readonly IReadOnlyList<string> DefaultPaths = ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"];

    private readonly IReadOnlyList<string> _paths;
    private readonly TimeProvider _time;
    private readonly NvmlCallTimes? _times;
    private readonly List<Device> _devices = [];
    private NvmlLibrary? _library;
    private bool _initialised;
    private DateTimeOffset _nextAttempt = DateTimeOffset.MinValue;
    private DateTimeOffset? _lostSince;
    private GpuSnapshot _unreadable = new(NvmlState.NoLibrary, "not read yet", []);
    private string _driver = "";

    /// <param name="path">The path of the library; null or empty for <see cref="DefaultPaths"/>.</param>
    /// <param name="time">The clock for retries and for checking the driver's timestamps.</param>
    /// <param name="times">Receives the durations of the library's calls; null measures none.</param>
    public NvmlGpuReader(string? path, TimeProvider time, NvmlCallTimes? times = null)
    {
        this._times = times;
        _paths = string.IsNullOrEmpty(path) ? DefaultPaths : [path];
        this._time = time;
    }

    public GpuSnapshot Read()
    {
        var now = _time.GetUtcNow();
        if (_lostSince is { } since && now - since >= LostRetryAfter)
            Stop();
        if (!_initialised && !Start(now))
            return _unreadable;

        var code = _library!.Count(out uint count);
        if (code == NvmlReturn.Success && count != _devices.Count)
            Enumerate(count);
        else if (code != NvmlReturn.Success)
            return Fail(code, now);

        var readings = new List<GpuReading>(_devices.Count);
        foreach (var device in _devices)
        {
            if (!Read(device, readings, out var fatal))
                return Fail(fatal, now);
        }
        if (!readings.Exists(r => r.Lost))
            _lostSince = null;
        else
            _lostSince ??= now;
        int slices = readings.Count(r => r.ParentUuid is not null);
        int refused = _devices.Count(d => d.Refused);
        return new GpuSnapshot(
            NvmlState.Ready,
            $"driver {_driver}, {readings.Count - slices} GPUs{(slices > 0 ? $", {slices} MIG devices" : "")}{(refused > 0 ? $", {refused} that the driver does not let be read" : "")}",
            readings
        );
    }

    public void Dispose()
    {
        Stop();
        _library?.Dispose();
        _library = null;
    }

    private bool Start(DateTimeOffset now)
    {
        if (now < _nextAttempt)
            return false;
        _nextAttempt = now + RetryAfter;
        _library ??= NvmlLibrary.TryLoad(_paths, _times);
        if (_library is null)
        {
            _unreadable = new GpuSnapshot(NvmlState.NoLibrary, $"no NVML library: tried {string.Join(", ", _paths)}", []);
            return false;
        }
        var code = _library.Init();
        if (code != NvmlReturn.Success)
        {
            _unreadable = NoDriver(code);
            if (code == NvmlReturn.LibRmVersionMismatch)
            {
                // The driver was replaced while the agent runs; the library on disk may match it.
                _library.Dispose();
                _library = null;
            }
            return false;
        }
        _initialised = true;
        if (_library.DriverVersion(out _driver) != NvmlReturn.Success)
            _driver = "of unknown version";
        _devices.Clear();
        _lostSince = null;
        return true;
    }

    private void Stop()
    {
        if (_initialised)
            _library!.Shutdown();
        _initialised = false;
        _nextAttempt = DateTimeOffset.MinValue;
        _lostSince = null;
        _devices.Clear();
    }

    private GpuSnapshot Fail(NvmlReturn code, DateTimeOffset now)
    {
        Stop();
        _nextAttempt = now + RetryAfter;
        return _unreadable = NoDriver(code);
    }

    private GpuSnapshot NoDriver(NvmlReturn code) =>
        new(NvmlState.NoDriver, $"NVML library {_library!.Path} found, but the driver does not answer: {_library.ErrorText(code)}", []);

    private void Enumerate(uint count)
    {
        // Keep each device's timestamp of the last process sample over a new enumeration.
        var before = _devices.Where(d => d.Uuid.Length > 0).ToDictionary(d => d.Uuid);
        _devices.Clear();
        for (uint index = 0; index < count; index++)
        {
            var device = new Device { Index = index };
            Identify(device);
            if (before.TryGetValue(device.Uuid, out var known))
                device.LastSample = known.LastSample;
            _devices.Add(device);
        }
    }

    private NvmlReturn Identify(Device device)
    {
        var code = _library!.HandleByIndex(device.Index, out device.Handle);
        if (code != NvmlReturn.Success)
            return code;
        code = _library.Uuid(device.Handle, out device.Uuid);
        if (code == NvmlReturn.Success)
        {
            _library.Name(device.Handle, out device.Name);
            device.Minor = _library.Minor(device.Handle, out uint minor) == NvmlReturn.Success ? (int)minor : null;
        }
        return code;
    }

    /// <summary>False if the driver itself is gone. A lost device is added as a reading with <c>Lost</c>.</summary>
    private bool Read(Device device, List<GpuReading> readings, out NvmlReturn fatal)
    {
        fatal = NvmlReturn.Success;
        device.Refused = false;
        if (device.Uuid.Length == 0)
        {
            var code = Identify(device);
            if (DriverGone(code, ref fatal))
                return false;
            if (code == NvmlReturn.NoPermission)
            {
                // The count includes GPUs that this container may not access (device cgroups, virtual machines). They are not lost.
                device.Refused = true;
                return true;
            }
            if (code != NvmlReturn.Success)
            {
                readings.Add(Lost(device));
                return true;
            }
        }

        var codes = new NvmlReturn[8];
        var nvml = _library!;
        NvmlUtilization utilization = default;
        NvmlProcessInfo[] processes = [],
            clients = [];
        uint slots = 0;
        codes[0] = nvml.MigMode(device.Handle, out bool mig);
        codes[1] = nvml.Memory(device.Handle, out ulong total, out ulong used);
        codes[2] = nvml.Temperature(device.Handle, out uint temperature);
        codes[3] = nvml.Power(device.Handle, out uint power);
        codes[4] = nvml.Energy(device.Handle, out ulong energy);
        if (mig)
        {
            // On a GPU in MIG mode, the other figures are unsupported or only the sum of its slices.
            codes[5] = nvml.MaxMigDevices(device.Handle, out slots);
        }
        else
        {
            codes[5] = nvml.Processes(device.Handle, out processes);
            codes[6] = nvml.Utilization(device.Handle, out utilization);
            codes[7] = nvml.MpsProcesses(device.Handle, out clients);
        }
        foreach (var code in codes)
        {
            if (DriverGone(code, ref fatal))
                return false;
            if (IsLost(code))
            {
                readings.Add(Lost(device));
                return true;
            }
        }
        // After a reload of the driver an old handle may return nothing else; reporting it as lost restarts the library.
        if (codes.Contains(NvmlReturn.Unknown) && !codes.Contains(NvmlReturn.Success))
        {
            readings.Add(Lost(device));
            return true;
        }
        var uses = mig ? [] : ProcessUse(device);

        readings.Add(
            new GpuReading
            {
                Uuid = device.Uuid,
                Name = device.Name,
                Minor = device.Minor,
                Mig = mig,
                Slices = mig && codes[5] == NvmlReturn.Success ? (int)slots : null,
                MemoryTotalBytes = Number(codes[1], total),
                MemoryUsedBytes = Number(codes[1], used),
                TemperatureCelsius = (int?)Number(codes[2], temperature),
                PowerMilliwatts = Number(codes[3], power),
                EnergyMillijoules = Number(codes[4], energy),
                UtilizationPercent = !mig && codes[6] == NvmlReturn.Success ? (int)Math.Min(utilization.Gpu, 100) : null,
                Processes = Processes(processes, clients),
                ProcessUse = Array.ConvertAll(uses, u => new GpuProcessUse(
                    (int)u.Pid,
                    (int)u.SmUtil,
                    DateTimeOffset.UnixEpoch.AddMicroseconds(u.TimeStamp)
                )),
            }
        );
        return ReadSlices(device, slots, readings, ref fatal);
    }

    /// <summary>
    /// Returns the utilization of processes since the last reading. Invalid records of the driver are dropped: older than requested,
    /// above 100 percent, or in the future, after which no record would be newer.
    /// </summary>
    private NvmlProcessUtilizationSample[] ProcessUse(Device device)
    {
        ulong latest = (ulong)(_time.GetUtcNow() + ClockTolerance - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        // The timestamps use the node's clock, which was set back.
        if (device.LastSample > latest)
            device.LastSample = 0;
        ulong since = device.LastSample;
        if (_library!.ProcessUse(device.Handle, since, out var listed) != NvmlReturn.Success)
            return [];
        var uses = Array.FindAll(listed, use => use.SmUtil <= 100 && use.TimeStamp > since && use.TimeStamp <= latest);
        foreach (var use in uses)
            device.LastSample = Math.Max(device.LastSample, use.TimeStamp);
        return uses;
    }

    /// <summary>
    /// Reads the MIG devices of a GPU. They are enumerated each time, because a handle ends with its instance and another instance may
    /// get its slot. False if the driver itself is gone.
    /// </summary>
    private bool ReadSlices(Device parent, uint slots, List<GpuReading> readings, ref NvmlReturn fatal)
    {
        var nvml = _library!;
        for (uint slot = 0; slot < slots; slot++)
        {
            var code = nvml.MigDevice(parent.Handle, slot, out nint handle);
            if (DriverGone(code, ref fatal))
                return false;
            // NOT_FOUND is an empty slot, INVALID_ARGUMENT an instance that is being created or destroyed.
            if (code != NvmlReturn.Success || nvml.Uuid(handle, out string uuid) != NvmlReturn.Success)
                continue;
            if (!parent.Slices.TryGetValue(uuid, out var shape))
            {
                shape = new Slice(
                    nvml.GpuInstance(handle, out uint gi) == NvmlReturn.Success ? (int)gi : null,
                    nvml.ComputeInstance(handle, out uint ci) == NvmlReturn.Success ? (int)ci : null,
                    nvml.Attributes(handle, out var attributes) == NvmlReturn.Success ? (int)attributes.ComputeInstanceSliceCount : null
                );
                // UUIDs are not reused, so only the size of this cache needs a limit.
                if (parent.Slices.Count > 64)
                    parent.Slices.Clear();
                parent.Slices[uuid] = shape;
            }
            code = nvml.Memory(handle, out ulong total, out ulong used);
            if (DriverGone(code, ref fatal))
                return false;
            if (code is NvmlReturn.InvalidArgument or NvmlReturn.NotFound or NvmlReturn.GpuNotFound)
                continue;
            nvml.Processes(handle, out var processes);
            readings.Add(
                new GpuReading
                {
                    Uuid = uuid,
                    Name = parent.Name,
                    ParentUuid = parent.Uuid,
                    Minor = parent.Minor,
                    GpuInstance = shape.GpuInstance,
                    ComputeInstance = shape.ComputeInstance,
                    Slices = shape.Slices,
                    MemoryTotalBytes = Number(code, total),
                    MemoryUsedBytes = Number(code, used),
                    Processes = Processes(processes, []),
                }
            );
        }
        return true;
    }

    private static GpuReading Lost(Device device) =>
        new()
        {
            Uuid = device.Uuid,
            Name = device.Name,
            Minor = device.Minor,
            Lost = true,
        };

    private static bool IsLost(NvmlReturn code) => code is NvmlReturn.GpuIsLost or NvmlReturn.ResetRequired or NvmlReturn.GpuNotFound;

    private static GpuProcess[] Processes(NvmlProcessInfo[] processes, NvmlProcessInfo[] clients) =>
        [
            .. processes
                .Concat(clients)
                .DistinctBy(p => p.Pid)
                .Select(p => new GpuProcess((int)p.Pid, Number(NvmlReturn.Success, p.UsedGpuMemory))),
        ];

    /// <summary>Null on an error and for "not available", which the driver reports with all bits set.</summary>
    private static long? Number(NvmlReturn code, ulong value) => code == NvmlReturn.Success && value <= long.MaxValue ? (long)value : null;

    private static bool DriverGone(NvmlReturn code, ref NvmlReturn fatal)
    {
        if (code is not (NvmlReturn.Uninitialized or NvmlReturn.DriverNotLoaded or NvmlReturn.LibRmVersionMismatch))
            return false;
        fatal = code;
        return true;
    }

    private sealed class Device
    {
        public uint Index;
        public nint Handle;
        public string Uuid = "";
        public string Name = "";
        public int? Minor;
        public bool Refused;
        public ulong LastSample;
        public readonly Dictionary<string, Slice> Slices = new(StringComparer.Ordinal);
    }

    private sealed record Slice(int? GpuInstance, int? ComputeInstance, int? Slices);
}
