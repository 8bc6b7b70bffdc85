namespace Bursar.Agent.Nvml;

/// <summary>
/// Reads the GPUs through NVML. "No library" and "no driver" are states that are looked at again every
/// <see cref="RetryAfter"/>, so an agent that started before the driver finds it; a lost GPU is marked and the others
/// are read on.
/// </summary>
public sealed class NvmlGpuReader : IGpuReader
{
    /// <summary>How long an unreadable driver is left alone before it is asked again.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    /// <summary>How long a lost GPU stays lost before the library is started anew: only then can it come back.</summary>
    public static readonly TimeSpan LostRetryAfter = TimeSpan.FromSeconds(60);

    /// <summary>Where the library is looked for unless a path is given: the loader's own search, then WSL's place.</summary>
    public static readonly IReadOnlyList<string> DefaultPaths = ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"];

    private readonly IReadOnlyList<string> paths;
    private readonly TimeProvider time;
    private readonly List<Device> devices = [];
    private NvmlLibrary? library;
    private bool initialised;
    private DateTimeOffset nextAttempt = DateTimeOffset.MinValue;
    private DateTimeOffset? lostSince;
    private GpuSnapshot unreadable = new(NvmlState.NoLibrary, "not looked for yet", []);
    private string driver = "";

    /// <param name="path">An explicit path of the library, or null for <see cref="DefaultPaths"/>.</param>
    /// <param name="time">The clock that paces retries and stamps.</param>
    public NvmlGpuReader(string? path, TimeProvider time)
    {
        paths = string.IsNullOrEmpty(path) ? DefaultPaths : [path];
        this.time = time;
    }

    public GpuSnapshot Read()
    {
        var now = time.GetUtcNow();
        if (lostSince is { } since && now - since >= LostRetryAfter)
            Stop();
        if (!initialised && !Start(now))
            return unreadable;

        var code = library!.Count(out uint count);
        if (code == NvmlReturn.Success && count != devices.Count)
            Enumerate(count);
        else if (code != NvmlReturn.Success)
            return GiveUp(code, now);

        var readings = new GpuReading[devices.Count];
        for (int i = 0; i < readings.Length; i++)
        {
            if (!Read(devices[i], out readings[i], out var fatal))
                return GiveUp(fatal, now);
        }
        if (!Array.Exists(readings, r => r.Lost))
            lostSince = null;
        else
            lostSince ??= now;
        return new GpuSnapshot(NvmlState.Ready, $"driver {driver}, {readings.Length} GPUs", readings);
    }

    public void Dispose()
    {
        Stop();
        library?.Dispose();
        library = null;
    }

    private bool Start(DateTimeOffset now)
    {
        if (now < nextAttempt)
            return false;
        nextAttempt = now + RetryAfter;
        library ??= NvmlLibrary.TryLoad(paths);
        if (library is null)
        {
            unreadable = new GpuSnapshot(NvmlState.NoLibrary, $"no NVML library: tried {string.Join(", ", paths)}", []);
            return false;
        }
        var code = library.Init();
        if (code != NvmlReturn.Success)
        {
            unreadable = NoDriver(code);
            return false;
        }
        initialised = true;
        if (library.DriverVersion(out driver) != NvmlReturn.Success)
            driver = "of unknown version";
        devices.Clear();
        lostSince = null;
        return true;
    }

    private void Stop()
    {
        if (initialised)
            library!.Shutdown();
        initialised = false;
        nextAttempt = DateTimeOffset.MinValue;
        lostSince = null;
        devices.Clear();
    }

    private GpuSnapshot GiveUp(NvmlReturn code, DateTimeOffset now)
    {
        Stop();
        nextAttempt = now + RetryAfter;
        return unreadable = NoDriver(code);
    }

    private GpuSnapshot NoDriver(NvmlReturn code) =>
        new(NvmlState.NoDriver, $"NVML library {library!.Path} found, but the driver does not answer: {library.ErrorText(code)}", []);

    private void Enumerate(uint count)
    {
        // Devices are known by UUID; the stamp of the last process sample survives a new enumeration.
        var before = devices.Where(d => d.Uuid.Length > 0).ToDictionary(d => d.Uuid);
        devices.Clear();
        for (uint index = 0; index < count; index++)
        {
            var device = new Device { Index = index };
            Identify(device);
            if (before.TryGetValue(device.Uuid, out var known))
                device.LastSample = known.LastSample;
            devices.Add(device);
        }
    }

    private NvmlReturn Identify(Device device)
    {
        var code = library!.HandleByIndex(device.Index, out device.Handle);
        if (code != NvmlReturn.Success)
            return code;
        code = library.Uuid(device.Handle, out device.Uuid);
        if (code == NvmlReturn.Success)
            library.Name(device.Handle, out device.Name);
        return code;
    }

    /// <summary>False when the driver itself is gone; a lost device is a reading like any other.</summary>
    private bool Read(Device device, out GpuReading reading, out NvmlReturn fatal)
    {
        reading = new GpuReading { Uuid = device.Uuid, Name = device.Name, Lost = true };
        fatal = NvmlReturn.Success;
        if (device.Uuid.Length == 0)
        {
            var code = Identify(device);
            if (DriverGone(code, ref fatal))
                return false;
            if (code != NvmlReturn.Success)
                return true;
        }

        var codes = new NvmlReturn[7];
        var nvml = library!;
        codes[0] = nvml.MigMode(device.Handle, out bool mig);
        codes[1] = nvml.Memory(device.Handle, out ulong total, out ulong used);
        codes[2] = nvml.Temperature(device.Handle, out uint temperature);
        codes[3] = nvml.Power(device.Handle, out uint power);
        codes[4] = nvml.Energy(device.Handle, out ulong energy);
        codes[5] = nvml.Processes(device.Handle, out var processes);
        NvmlUtilization utilization = default;
        NvmlProcessUtilizationSample[] uses = [];
        codes[6] = mig ? NvmlReturn.NotSupported : nvml.Utilization(device.Handle, out utilization);
        foreach (var code in codes)
        {
            if (DriverGone(code, ref fatal))
                return false;
            if (code is NvmlReturn.GpuIsLost or NvmlReturn.ResetRequired or NvmlReturn.GpuNotFound)
                return true;
        }
        if (!mig && nvml.ProcessUse(device.Handle, device.LastSample, out uses) == NvmlReturn.Success)
        {
            foreach (var use in uses)
                device.LastSample = Math.Max(device.LastSample, use.TimeStamp);
        }

        reading = new GpuReading
        {
            Uuid = device.Uuid,
            Name = device.Name,
            Mig = mig,
            MemoryTotalBytes = Number(codes[1], total),
            MemoryUsedBytes = Number(codes[1], used),
            TemperatureCelsius = (int?)Number(codes[2], temperature),
            PowerMilliwatts = Number(codes[3], power),
            EnergyMillijoules = Number(codes[4], energy),
            UtilizationPercent = codes[6] == NvmlReturn.Success ? (int)Math.Min(utilization.Gpu, 100) : null,
            Processes = Array.ConvertAll(processes, p => new GpuProcess((int)p.Pid, Number(NvmlReturn.Success, p.UsedGpuMemory))),
            ProcessUse = Array.ConvertAll(uses, u => new GpuProcessUse(
                (int)u.Pid, (int)Math.Min(u.SmUtil, 100), DateTimeOffset.UnixEpoch.AddTicks((long)Math.Min(u.TimeStamp, MaxMicroseconds) * 10))),
        };
        return true;
    }

    private const ulong MaxMicroseconds = 250_000_000_000_000_000;

    /// <summary>The driver says "not available" with all bits set.</summary>
    private static long? Number(NvmlReturn code, ulong value) =>
        code == NvmlReturn.Success && value <= long.MaxValue ? (long)value : null;

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
        public ulong LastSample;
    }
}
