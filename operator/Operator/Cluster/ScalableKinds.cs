using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

internal static class ScalableKinds
{
    public static IReadOnlyList<IScalableKind> All { get; } =
    [Find("Deployment"), Find("StatefulSet"), Find("LeaderWorkerSet"), new RolloutKind(), new DynamoKind(), Find("InferenceService")];

    /// <summary>Kinds that are scaled but never suspended. The option <c>kinds</c> accepts them too.</summary>
    public static IReadOnlyList<string> ScaledOnly { get; } =
    [.. All.Select(kind => kind.Name).Where(name => WorkloadKinds.Find(name) is null)];

    /// <summary>
    /// Returns the kind of a scaleTargetRef. The default is Deployment, as in KEDA. Only the group of apiVersion matters.
    /// </summary>
    public static IScalableKind? Find(string apiVersion, string kind)
    {
        if (kind.Length == 0)
            kind = "Deployment";
        foreach (var one in All)
            if (apiVersion.Length == 0 ? one.Entity.Kind == kind : one.Entity.Is(apiVersion, kind))
                return one;
        return null;
    }

    public static string Display { get; } = string.Join(", ", All.Select(kind => $"{kind.Name} ({kind.Entity.ApiVersion})"));

    private static IScalableKind Find(string workKind) => (IScalableKind)WorkloadKinds.Find(workKind)!;
}
