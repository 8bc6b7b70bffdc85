using System.Globalization;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Core.Text;

namespace Bursar.Agent.Dcgm;

/// <summary>
/// A parsed page of NVIDIA's dcgm-exporter:
/// <c>DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-…",device="nvidia0",modelName="…",namespace="ml",pod="train-0",container="main"} 87</c>.
/// The pod's label is <c>pod</c>, the older <c>pod_name</c>, or <c>exported_pod</c> if Prometheus renamed it. A MIG device has its GPU's
/// UUID and a <c>GPU_I_ID</c>.
/// <para>
/// A device's figure is repeated in full for each pod that shares it, so the rows are not added up. In the exporter's per-process mode,
/// the rows with a pod are parts, and a row without a pod has the total.
/// </para>
/// </summary>
public sealed record DcgmPage(IReadOnlyList<GpuReading> Devices, IReadOnlyList<PodDevice> Pods)
{
    private const long MiB = 1024 * 1024;

    private static readonly string[] PodLabels = ["exported_pod", "pod_name", "pod"];
    private static readonly string[] NamespaceLabels = ["exported_namespace", "pod_namespace", "namespace"];
    private static readonly string[] ContainerLabels = ["exported_container", "container_name", "container"];

    /// <summary>Lines that could not be parsed, such as a field with a text as its value; the others are used.</summary>
    public int SkippedLines { get; private init; }

    /// <exception cref="PrometheusFormatException">The page has lines other than comments, and none is a sample.</exception>
    public static DcgmPage Read(ReadOnlySpan<byte> page)
    {
        var samples = new List<PrometheusSample>();
        var result = PrometheusText.ReadPage(page, (in PrometheusLine line) =>
        {
            if (line.Name.StartsWith("DCGM_FI_"u8))
                samples.Add(line.ToSample());
        });
        var devices = new List<GpuReading>();
        var pods = new List<PodDevice>();
        foreach (
            var gpu in samples
                .Where(s => !string.IsNullOrEmpty(s.Label("UUID")))
                .GroupBy(s => s.Label("UUID")!)
                .OrderBy(g => Minor(g.First()) ?? int.MaxValue)
        )
        {
            var whole = gpu.Where(s => string.IsNullOrEmpty(s.Label("GPU_I_ID"))).ToList();
            var instances = gpu.Where(s => !string.IsNullOrEmpty(s.Label("GPU_I_ID")))
                .GroupBy(s => s.Label("GPU_I_ID")!)
                .OrderBy(g => g.Key, StringComparer.Ordinal)
                .ToList();
            string name = gpu.First().Label("modelName") ?? "";
            // Each instance repeats the power, energy and temperature of its GPU.
            var device = Reading(gpu.Key, [.. gpu], slice: false) with
            {
                Name = name,
                Minor = Minor(gpu.First()),
                Mig = instances.Count > 0,
                Slices =
                    instances.Count > 0
                        ? name.Contains("A30", StringComparison.Ordinal)
                            ? 4
                            : 7
                        : null,
            };
            devices.Add(
                instances.Count == 0
                    ? device
                    : device with
                    {
                        UtilizationPercent = null,
                        MemoryUsedBytes = null,
                        MemoryTotalBytes = null,
                        PodUse = [],
                    }
            );
            if (instances.Count == 0)
                AddPods(gpu.Key, whole, pods);
            foreach (var instance in instances)
            {
                string uuid = instance.Select(s => s.Label("dra_mig_device_uuid")).FirstOrDefault(u => !string.IsNullOrEmpty(u))
                    ?? $"{gpu.Key}/gi{instance.Key}";
                devices.Add(
                    Reading(uuid, [.. instance], slice: true) with
                    {
                        Name = name,
                        Minor = device.Minor,
                        ParentUuid = gpu.Key,
                        GpuInstance = int.TryParse(instance.Key, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : null,
                        Slices = Slices(instance.First().Label("GPU_I_PROFILE")),
                        TemperatureCelsius = null,
                        PowerMilliwatts = null,
                        EnergyMillijoules = null,
                    }
                );
                AddPods(uuid, instance, pods);
            }
        }
        return new DcgmPage(devices, pods) { SkippedLines = result.Refused };
    }

    private static GpuReading Reading(string uuid, List<PrometheusSample> samples, bool slice)
    {
        // DCGM_FI_DEV_GPU_UTIL is measured for whole GPUs, so prefer the engine's activity for a slice.
        double? engine = Value(samples, "DCGM_FI_PROF_GR_ENGINE_ACTIVE") * 100,
            gpu = Value(samples, "DCGM_FI_DEV_GPU_UTIL");
        double? percent = slice ? engine ?? gpu : gpu ?? engine;
        double? used = Value(samples, "DCGM_FI_DEV_FB_USED"),
            free = Value(samples, "DCGM_FI_DEV_FB_FREE");
        return new GpuReading
        {
            Uuid = uuid,
            UtilizationPercent = percent is { } p ? (int)Math.Round(Math.Clamp(p, 0, 100)) : null,
            MemoryUsedBytes = Whole(used, MiB),
            MemoryTotalBytes = Whole(used + free + (Value(samples, "DCGM_FI_DEV_FB_RESERVED") ?? 0), MiB),
            TemperatureCelsius = (int?)Whole(Value(samples, "DCGM_FI_DEV_GPU_TEMP"), 1),
            PowerMilliwatts = Whole(Value(samples, "DCGM_FI_DEV_POWER_USAGE"), 1000),
            EnergyMillijoules = Whole(Value(samples, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"), 1),
            PodUse = PodUse(samples),
        };
    }

    /// <summary>False for the four numbers per type with which DCGM reports blank, not found, not supported and not permitted.</summary>
    private static bool IsFigure(double value) =>
        double.IsFinite(value)
        && value is >= 0 and < 9e18
        && value is not (>= 0x7ffffff0 and <= 0x7ffffff3) and not (>= 140737488355328 and <= 140737488355331);

    /// <summary>Returns the figure of the whole device: the row without a pod, else the value that all rows repeat.</summary>
    private static double? Value(List<PrometheusSample> samples, string metric)
    {
        var rows = samples.Where(s => s.Name == metric && IsFigure(s.Value)).ToList();
        var own = rows.Where(s => First(s, PodLabels) is null).ToList();
        return (own.Count > 0 ? own : rows).Select(s => (double?)s.Value).Max();
    }

    /// <summary>Returns the parts of the pods. Empty if no row without a pod shows that the rows are parts.</summary>
    private static GpuPodUse[] PodUse(List<PrometheusSample> samples)
    {
        var rows = samples.Where(s => s.Name == "DCGM_FI_DEV_GPU_UTIL" && IsFigure(s.Value)).ToList();
        return rows.Exists(s => First(s, PodLabels) is null)
            ?
            [
                .. rows.Where(s => First(s, PodLabels) is not null)
                    .GroupBy(s => (First(s, NamespaceLabels) ?? "", First(s, PodLabels)!))
                    .Select(g => new GpuPodUse(g.Key.Item1, g.Key.Item2, (int)Math.Round(Math.Clamp(g.Sum(s => s.Value), 0, 100)))),
            ]
            : [];
    }

    private static void AddPods(string uuid, IEnumerable<PrometheusSample> samples, List<PodDevice> pods)
    {
        var holders = samples
            .Where(s => First(s, PodLabels) is not null)
            .Select(s => (First(s, NamespaceLabels) ?? "", First(s, PodLabels)!, First(s, ContainerLabels) ?? ""))
            .Distinct()
            .ToList();
        // If several pods share a device, give each its own replica id.
        bool shared = holders.Select(h => (h.Item1, h.Item2)).Distinct().Count() > 1;
        pods.AddRange(holders.Select((h, i) => new PodDevice(h.Item1, h.Item2, h.Item3, "nvidia.com/gpu", shared ? $"{uuid}::{i}" : uuid)));
    }

    private static string? First(PrometheusSample sample, string[] labels)
    {
        // If Prometheus renamed the label to exported_pod, "pod" is the exporter's own pod.
        foreach (string label in labels)
        {
            if (sample.Label(label) is { Length: > 0 } value)
                return value;
        }
        return null;
    }

    private static long? Whole(double? value, double unit) =>
        value * unit is { } number && number <= 9e18 ? (long)Math.Round(number) : null;

    private static int? Minor(PrometheusSample sample) =>
        sample.Label("device") is { } device
        && device.StartsWith("nvidia", StringComparison.Ordinal)
        && int.TryParse(device.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out int minor)
            ? minor
            : null;

    /// <summary><c>2g.10gb</c> has two slices; <c>1c.3g.20gb</c> is one compute slice of three.</summary>
    private static int? Slices(string? profile) =>
        profile is { Length: > 1 } && profile[1] is 'g' or 'c' && char.IsAsciiDigit(profile[0]) ? profile[0] - '0' : null;
}
