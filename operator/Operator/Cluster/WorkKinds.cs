using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The table: every kind of work that Bursar can stop and give back. docs/kinds.md says how to add one.</summary>
internal static class WorkKinds
{
    public static IReadOnlyList<WorkKind> All { get; } =
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
    ];

    private static readonly Dictionary<string, WorkKind> ByName = All.ToDictionary(kind => kind.Name, StringComparer.Ordinal);

    /// <summary>By its name, as ledger and workload keys hold it.</summary>
    public static WorkKind? Of(string name) => ByName.GetValueOrDefault(name);

    /// <summary>The kind of an object's controller, where it is one of the table.</summary>
    public static WorkKind? Of(V1OwnerReference? owner) =>
        owner is not null && ByName.TryGetValue(owner.Kind, out var kind) && kind.IsOf(owner) ? kind : null;
}
