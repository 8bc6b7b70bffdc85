using System.Globalization;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;

namespace Bursar.Agent.Probe;

public sealed record ProbeOptions
{
    /// <summary>The number of readings after the first.</summary>
    public int Samples { get; init; } = 5;

    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>
/// Reads this node a few times and writes a report for people: each device, the pods that hold it, its processes and their utilization,
/// the duration of each driver call, and the cost of an hour of sampling each second.
/// </summary>
public sealed class NodeProbe(string? library, IPodResources kubelet, PodUidResolver uids, TimeProvider time)
{
    private const double MiB = 1024 * 1024;
    private const int SamplesPerHour = 3600;

    /// <summary>Writes the report. Returns false if the devices cannot be read; the report says why.</summary>
    public async Task<bool> WriteAsync(TextWriter output, ProbeOptions options, CancellationToken cancellationToken)
    {
        var times = new NvmlCallTimes(time);
        using var reader = new NvmlGpuReader(library, time, times);
        var snapshot = reader.Read();
        // The first reading loads and initializes the library, so it is not part of a sample's cost.
        var start = times.All;
        var uses = new Dictionary<(string Device, int Pid), long>();
        TimeSpan clock = TimeSpan.Zero,
            cpu = TimeSpan.Zero;
        int taken = 0;
        while (snapshot.State == NvmlState.Ready && taken < options.Samples)
        {
            await Task.Delay(options.Pause, time, cancellationToken);
            long begun = time.GetTimestamp();
            var cpuBegun = Environment.CpuUsage.TotalTime;
            snapshot = reader.Read();
            cpu += Environment.CpuUsage.TotalTime - cpuBegun;
            clock += time.GetElapsedTime(begun);
            taken++;
            foreach (var device in snapshot.Devices)
            {
                foreach (var process in device.ProcessUse.GroupBy(u => u.Pid))
                    uses[(device.Uuid, process.Key)] =
                        uses.GetValueOrDefault((device.Uuid, process.Key)) + process.Sum(u => u.SmPercent) / process.Count();
            }
        }

        await output.WriteLineAsync($"NVML: {snapshot.StateText}");
        IReadOnlyList<PodDevice> listed = [];
        try
        {
            listed = await kubelet.ListAsync(cancellationToken);
            await output.WriteLineAsync($"kubelet: {listed.Count} GPU device ids are with pods");
        }
        catch (PodResourcesException exception)
        {
            await output.WriteLineAsync($"kubelet: {exception.Message}");
        }
        var holdings = DeviceHoldings.Create(listed, snapshot, new PodKnowledge(uids));
        foreach (var device in snapshot.Devices)
            await DeviceAsync(output, device, holdings, uses, taken);
        foreach (var holding in holdings.Where(h => snapshot.Devices.All(d => d.Uuid != h.Key.Device)))
            await output.WriteLineAsync(Line($"\n{holding.Key.Device}: not shown by the driver, held by {Name(holding)}"));
        if (taken > 0)
            await CostAsync(output, start, times.All, clock, cpu, taken);
        return snapshot.State == NvmlState.Ready;
    }

    private async Task DeviceAsync(
        TextWriter output,
        GpuReading device,
        List<DeviceHolding> holdings,
        Dictionary<(string Device, int Pid), long> uses,
        int taken
    )
    {
        string kind =
            device.ParentUuid is { } parent
                ? Line(
                    $"MIG device of {parent}, GPU instance {Text(device.GpuInstance)}, compute instance {Text(device.ComputeInstance)}, {Text(device.Slices)} slices"
                )
            : device.Mig ? Line($"cut into MIG devices, {Text(device.Slices)} slices")
            : "whole GPU";
        await output.WriteLineAsync(Line($"\n{device.Uuid}  {device.Name}  minor {Text(device.Minor)}  {kind}"));
        if (device.Lost)
        {
            await output.WriteLineAsync("  lost: it does not answer");
            return;
        }
        await output.WriteLineAsync(
            Line(
                $"  utilisation {Text(device.UtilizationPercent)} %  memory {Text(device.MemoryUsedBytes / MiB, "0")} of {Text(device.MemoryTotalBytes / MiB, "0")} MiB  temperature {Text(device.TemperatureCelsius)} °C  power {Text(device.PowerMilliwatts / 1000.0, "0.0")} W  energy {Text(device.EnergyMillijoules / 1000.0, "0.000")} J"
            )
        );
        foreach (var holding in holdings.Where(h => h.Key.Device == device.Uuid))
            await output.WriteLineAsync(Line($"  held by {Name(holding)}{(holding.Reason is { } reason ? $" ({reason})" : "")}"));
        foreach (var process in device.Processes)
        {
            var owner = uids.PodOf(process.Pid);
            string ownerText = owner is { Kind: ProcessKind.Pod, PodUid: { } uid }
                ? uids.NameOf(uid) is { } name
                    ? $"pod {name.Namespace}/{name.Name} ({uid})"
                    : $"pod {uid}"
                : owner.Kind switch
                {
                    ProcessKind.Host => "the node's own",
                    ProcessKind.MpsServer => "MPS server",
                    _ => "of an unknown pod",
                };
            // NVML reports utilization only of busy processes, so a missing one is idle. Under MIG it reports none.
            string use = device.ParentUuid is null
                ? Line($"{(taken == 0 ? 0 : uses.GetValueOrDefault((device.Uuid, process.Pid)) / (double)taken):0.0} % of the SMs")
                : "use unknown";
            await output.WriteLineAsync(Line($"  process {process.Pid}: {use}, {Text(process.MemoryBytes / MiB, "0")} MiB, {ownerText}"));
        }
    }

    private static async Task CostAsync(
        TextWriter output,
        IReadOnlyList<(string Call, NvmlCallTime Time)> start,
        IReadOnlyList<(string Call, NvmlCallTime Time)> end,
        TimeSpan clock,
        TimeSpan cpu,
        int taken
    )
    {
        await output.WriteLineAsync(Line($"\n{"call", -46}{"calls", 8}{"mean µs", 12}{"longest µs", 12}"));
        var library = TimeSpan.Zero;
        foreach (var (call, all) in end)
        {
            var first = start.FirstOrDefault(s => s.Call == call).Time;
            library += all.Total - first.Total;
            await output.WriteLineAsync(
                Line($"{call, -46}{all.Count, 8}{all.Mean.TotalMicroseconds, 12:0.0}{all.Longest.TotalMicroseconds, 12:0.0}")
            );
        }
        double seconds = clock.TotalSeconds / taken,
            busy = cpu.TotalSeconds / taken;
        await output.WriteLineAsync(
            Line(
                $"\na sample of all devices, mean of {taken}: {seconds * 1000:0.00} ms, of these {library.TotalMilliseconds / taken:0.00} ms in the driver's library; {busy * 1000:0.00} ms of CPU"
            )
        );
        await output.WriteLineAsync(
            Line(
                $"an hour, sampled each second: {SamplesPerHour} samples, {seconds * SamplesPerHour:0.00} s, {busy * SamplesPerHour:0.00} s of CPU, {busy * 100:0.000} % of a core"
            )
        );
    }

    private static string Name(DeviceHolding holding) =>
        $"{holding.Key.Namespace}/{holding.Key.Pod}{(holding.Key.Container.Length > 0 ? $" ({holding.Key.Container})" : "")}, uid {holding.PodUid ?? "unknown"}, share {holding.Share}{(holding.Listed ? "" : ", not by the kubelet")}";

    private static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);

    private static string Text(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "-";

    private static string Text(double? number, string format) => number?.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
