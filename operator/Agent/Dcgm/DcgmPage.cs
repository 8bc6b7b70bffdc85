using System.Globalization;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Core.Text;

namespace Bursar.Agent.Dcgm;

/// <summary>
/// What a page of NVIDIA's dcgm-exporter says:
/// <c>DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-…",device="nvidia0",modelName="…",namespace="ml",pod="train-0",container="main"} 87</c>.
/// The pod's labels come in three styles (<c>pod</c>, the old <c>pod_name</c>, and <c>exported_pod</c> where Prometheus stands between).
/// A MIG device is its GPU's UUID with <c>GPU_I_ID</c>.
/// <para>
/// A device's figure stands once for each pod that shares it: copied whole, so it is taken once and never added up. In the exporter's
/// per-process mode the pods' rows are parts and the whole stands beside them, without a pod.
/// </para>
/// </summary>
public sealed record DcgmPage(IReadOnlyList<GpuReading> Devices, IReadOnlyList<PodDevice> Pods)
{
    private const long MiB = 1024 * 1024;

    private static readonly string[] PodLabels = ["exported_pod", "pod_name", "pod"];
    private static readonly string[] NamespaceLabels = ["exported_namespace", "pod_namespace", "namespace"];
    private static readonly string[] ContainerLabels = ["exported_container", "container_name", "container"];

    /// <summary>Lines that cannot be read, such as a field whose value is a text; the others are used.</summary>
    public int SkippedLines { get; private init; }

    /// <exception cref="PrometheusFormatException">No line of the page is a sample, and some are no comment.</exception>
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
            // Power, energy and temperature stand at every instance, and are the GPU's.
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
        // The GPU's utilisation says nothing of a slice of it.
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

    /// <summary>DCGM says "none", "not found", "not supported" and "not permitted" with four numbers for each kind of value.</summary>
    private static bool IsFigure(double value) =>
        double.IsFinite(value)
        && value is >= 0 and < 9e18
        && value is not (>= 0x7ffffff0 and <= 0x7ffffff3) and not (>= 140737488355328 and <= 140737488355331);

    /// <summary>The device's own figure: the row without a pod, else the rows' one value.</summary>
    private static double? Value(List<PrometheusSample> samples, string metric)
    {
        var rows = samples.Where(s => s.Name == metric && IsFigure(s.Value)).ToList();
        var own = rows.Where(s => First(s, PodLabels) is null).ToList();
        return (own.Count > 0 ? own : rows).Select(s => (double?)s.Value).Max();
    }

    /// <summary>The pods' parts, where a row of the whole device beside them says that they are parts.</summary>
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
        // Several pods on one device share it: nobody else is told apart by the id.
        bool shared = holders.Select(h => (h.Item1, h.Item2)).Distinct().Count() > 1;
        pods.AddRange(holders.Select((h, i) => new PodDevice(h.Item1, h.Item2, h.Item3, "nvidia.com/gpu", shared ? $"{uuid}::{i}" : uuid)));
    }

    private static string? First(PrometheusSample sample, string[] labels)
    {
        // Where Prometheus renamed the pod's label, "pod" is the exporter's own.
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
