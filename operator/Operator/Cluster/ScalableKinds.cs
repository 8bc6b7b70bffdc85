using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The table of kinds that a scaler may scale.</summary>
internal static class ScalableKinds
{
    public static IReadOnlyList<IScalableKind> All { get; } =
    [Of("Deployment"), Of("StatefulSet"), Of("LeaderWorkerSet"), new RolloutKind(), new DynamoKind(), Of("InferenceService")];

    /// <summary>Those that are scaled and never suspended, which the option <c>kinds</c> names beside the kinds of work.</summary>
    public static IReadOnlyList<string> ScaledOnly { get; } =
    [.. All.Select(kind => kind.Name).Where(name => WorkloadKinds.Of(name) is null)];

    /// <summary>As a scaleTargetRef names it: without a kind a Deployment, as in KEDA; of an apiVersion its group counts.</summary>
    public static IScalableKind? Of(string apiVersion, string kind)
    {
        if (kind.Length == 0)
            kind = "Deployment";
        foreach (var one in All)
            if (apiVersion.Length == 0 ? one.Entity.Kind == kind : one.Entity.Is(apiVersion, kind))
                return one;
        return null;
    }

    /// <summary>For people.</summary>
    public static string Display { get; } = string.Join(", ", All.Select(kind => $"{kind.Name} ({kind.Entity.ApiVersion})"));

    private static IScalableKind Of(string workKind) => (IScalableKind)WorkloadKinds.Of(workKind)!;
}
