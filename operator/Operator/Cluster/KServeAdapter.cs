using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// KServe: an InferenceService is a workload of its own (<see cref="InferenceServiceKind"/>) with an annotation for a switch, and whatever
/// scales beneath it (Deployment, HPA, ScaledObject, Knative's revisions) is KServe's. Its source (pkg/controller/v1beta1/inferenceservice)
/// deletes what serves while the annotation stands and makes it anew when it goes.
/// </summary>
internal sealed class KServeAdapter() : ManagerAdapter("KServe")
{
    public override IReadOnlyList<EntityKind> Entities { get; } = [V1Beta1InferenceService.EntityKind];

    public override ManagerState? Of(WorkloadObject work, ClusterStores stores) =>
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
        stores.Of("InferenceService")!.Get(ns, target.Name, target.Uid)?.Field;
}
