using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// KServe. An InferenceService is a workload of its own (<see cref="InferenceServiceKind"/>), stopped by an annotation. KServe owns
/// everything below it that scales (Deployment, HPA, ScaledObject, Knative's revisions). According to its source
/// (pkg/controller/v1beta1/inferenceservice), it deletes these while the annotation is set and creates them again when it is removed.
/// </summary>
internal sealed class KServeAdapter() : ManagerAdapter("KServe")
{
    public override IReadOnlyList<EntityKind> Entities { get; } = [V1Beta1InferenceService.EntityKind];

    public override ManagerState? GetState(WorkloadObject work, ClusterStores stores) =>
        work.Kind is not InferenceServiceKind kind
            ? null
            : new()
            {
                Manager = "KServe runs it",
                Field = new()
                {
                    Entity = kind.Entity,
                    Object = work.Metadata,
                    Field = kind.Field,
                    Value = work.Field,
                    Stopped = kind.Stopped,
                    On = WorkloadObject.Absent,
                },
            };

    public override string? ValueOf(string ns, ObjectRef target, string field, ClusterStores stores) =>
        stores.CacheOf("InferenceService")!.Get(ns, target.Name, target.Uid)?.Field;
}
