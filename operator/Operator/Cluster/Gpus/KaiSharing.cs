using System.Globalization;
using Bursar.Agent.Sampling;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster.Gpus;

/// <summary>
/// How the KAI scheduler (and Run:ai before it) gives pods parts of a GPU: a pod asks by annotation and no resource, a pod in a namespace
/// of the scheduler's own holds the whole GPU from the kubelet, and one label names the GPU on both.
/// </summary>
internal static class KaiSharing
{
    /// <summary>A part of a card: <c>0.5</c>.</summary>
    public const string Fraction = "gpu-fraction";

    /// <summary>Or so many MiB of a card's memory.</summary>
    public const string Memory = "gpu-memory";

    /// <summary>On how many cards; one unless set.</summary>
    public const string Devices = "gpu-fraction-num-devices";

    /// <summary>The label that the scheduler sets: the shared GPU's name, of several <c>runai-gpu-group/NAME: NAME</c>.</summary>
    public const string Group = "runai-gpu-group";

    private const int MostDevices = 64;
    private const int MostDigits = 9;

    /// <summary>What the annotations ask for; null where they ask for nothing.</summary>
    public static GpuUnits? Asked(V1ObjectMeta metadata)
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

    /// <summary>Whether the scheduler gave the pod a GPU: the annotations of a pod that runs without it give it nothing.</summary>
    public static bool IsGiven(V1Pod pod) => GroupsOf(pod).Any();

    /// <summary>Whether the pod holds a GPU for others.</summary>
    public static bool IsReservation(V1Pod pod) =>
        DeviceHoldings.ReservationNamespaces.Contains(pod.Metadata.Namespace ?? "") && pod.Metadata.Labels.ContainsKey(Group);

    /// <summary>Of the pods on a node, those that have parts of the GPU that this one holds for them.</summary>
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

    /// <summary>Exactly what is written: 0.33 is 33/100 and no more.</summary>
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
