using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>Workload kinds by name and API. Kinds of different groups may have the same kind in the API.</summary>
internal sealed class WorkloadKindIndex(IReadOnlyList<WorkloadKind> all)
{
    private readonly Dictionary<string, WorkloadKind> _byName = all.ToDictionary(kind => kind.Name, StringComparer.Ordinal);

    private readonly Dictionary<string, WorkloadKind[]> _byKind = all.GroupBy(kind => kind.Entity.Kind, StringComparer.Ordinal)
        .ToDictionary(kinds => kinds.Key, kinds => kinds.ToArray(), StringComparer.Ordinal);

    public WorkloadKind? Find(string name) => _byName.GetValueOrDefault(name);

    public WorkloadKind? Find(string apiVersion, string kind)
    {
        foreach (var one in _byKind.GetValueOrDefault(kind, []))
            if (one.Entity.Is(apiVersion, kind))
                return one;
        return null;
    }

    /// <summary>
    /// Returns the name of any kind, supported or not. It is qualified if a supported kind of another group has the bare name.
    /// </summary>
    public string NameOf(string apiVersion, string kind) =>
        Find(apiVersion, kind)?.Name ?? (_byName.ContainsKey(kind) ? EntityKind.Qualified(kind, apiVersion) : kind);
}

/// <summary>The supported workload kinds: those that Bursar can suspend and resume.</summary>
internal static class WorkloadKinds
{
    public static IReadOnlyList<WorkloadKind> All { get; } =
    [
        new JobKind(),
        new JobSetKind(),
        new TrainJobKind(),
        new KubeflowJobKind<V1PyTorchJob>(),
        new KubeflowJobKind<V1TFJob>(),
        new KubeflowJobKind<V1XGBoostJob>(),
        new KubeflowJobKind<V1PaddleJob>(),
        new KubeflowJobKind<V1JAXJob>(),
        new MpiJobKind(),
        new RayJobKind(),
        new DeploymentKind(),
        new StatefulSetKind(),
        new LeaderWorkerSetKind(),
        new InferenceServiceKind(),
        new NotebookKind(),
    ];

    private static readonly WorkloadKindIndex Table = new(All);

    /// <summary>Returns the kind with a name that the ledger or a workload key contains.</summary>
    public static WorkloadKind? Find(string name) => Table.Find(name);

    /// <summary>Returns the kind of an API, in any version of the group.</summary>
    public static WorkloadKind? Find(string apiVersion, string kind) => Table.Find(apiVersion, kind);

    /// <summary>Returns the kind of an object; null if it is not supported.</summary>
    public static WorkloadKind? Find(ObjectRef target) => Find(target.ApiVersion, target.Kind);

    /// <summary>Returns the kind of an object's controller; null if it is not supported.</summary>
    public static WorkloadKind? Find(V1OwnerReference? owner) => owner is null ? null : Find(owner.ApiVersion, owner.Kind);

    public static string NameOf(V1OwnerReference owner) => Table.NameOf(owner.ApiVersion, owner.Kind);
}
