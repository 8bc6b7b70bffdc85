using System.Globalization;
using Bursar.Agent.Sampling;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster.Gpus;

/// <summary>
/// GPU sharing of the KAI scheduler (formerly Run:ai). A pod requests a share by annotation and has no GPU resource. A reservation pod in
/// the scheduler's own namespace holds the whole GPU from the kubelet. A label names the GPU on both pods.
/// </summary>
internal static class KaiSharing
{
    /// <summary>Share of a card: <c>0.5</c>.</summary>
    public const string Fraction = "gpu-fraction";

    /// <summary>Memory of a card, in MiB.</summary>
    public const string Memory = "gpu-memory";

    /// <summary>Number of cards; one by default.</summary>
    public const string Devices = "gpu-fraction-num-devices";

    /// <summary>Label that the scheduler sets to the shared GPU's name; for several GPUs <c>runai-gpu-group/NAME: NAME</c>.</summary>
    public const string Group = "runai-gpu-group";

    private const int MostDevices = 64;
    private const int MostDigits = 9;

    /// <summary>Returns the units that the annotations request; null if there are none.</summary>
    public static GpuUnits? ReadAnnotations(V1ObjectMeta metadata)
    {
        var devices =
            metadata.Annotations.TryGetValue(Devices, out var text)
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? Math.Clamp(number, 1, MostDevices)
                : 1;
        if (metadata.Annotations.TryGetValue(Fraction, out var fraction))
            return new(Fraction, devices) { Part = Part(fraction) };
        if (metadata.Annotations.TryGetValue(Memory, out var memory))
            return int.TryParse(memory, NumberStyles.None, CultureInfo.InvariantCulture, out var mebibytes) && mebibytes > 0
                ? new(Memory, devices) { MemoryMiB = mebibytes }
                : new(Memory, devices) { Part = DeviceShare.Unknown };
        return null;
    }

    /// <summary>Whether the scheduler assigned a GPU to the pod. The annotations of a pod under another scheduler have no effect.</summary>
    public static bool IsGiven(V1Pod pod) => GroupsOf(pod).Any();

    /// <summary>Whether the pod holds a GPU for other pods.</summary>
    public static bool IsReservation(V1Pod pod) =>
        DeviceHoldings.ReservationNamespaces.Contains(pod.Metadata.Namespace ?? "") && pod.Metadata.Labels.ContainsKey(Group);

    /// <summary>Returns the pods on a node that share the GPU of this reservation pod.</summary>
    public static IEnumerable<V1Pod> UsersOf(V1Pod reservation, IEnumerable<V1Pod> pods)
    {
        var group = reservation.Metadata.Labels.TryGetValue(Group, out var name) ? name : "";
        return pods.Where(pod =>
            pod.Metadata.Uid != reservation.Metadata.Uid && !IsReservation(pod) && GroupsOf(pod).Contains(group, StringComparer.Ordinal)
        );
    }

    private static IEnumerable<string> GroupsOf(V1Pod pod) =>
        pod
            .Metadata.Labels.Where(label => label.Key == Group || label.Key.StartsWith(Group + "/", StringComparison.Ordinal))
            .Select(label => label.Value);

    /// <summary>Parses the share exactly: 0.33 is 33/100.</summary>
    private static DeviceShare Part(string text)
    {
        if (!decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) || value <= 0 || value > 1)
            return DeviceShare.Unknown;
        value = decimal.Round(value, MostDigits, MidpointRounding.ToZero);
        var of = 1;
        while (decimal.Truncate(value * of) != value * of)
            of *= 10;
        return value > 0 ? DeviceShare.Sum(new(0, 1), new((int)(value * of), of)) : DeviceShare.Unknown;
    }
}
