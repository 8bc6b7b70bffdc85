using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Conditions;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Admission;

/// <summary>
/// Sets the condition Active on each AdmissionCheck that names Bursar. A ClusterQueue whose check has no active controller admits nothing.
/// </summary>
internal sealed class AdmissionCheckController(KubeClient client, TimeProvider time) : IEntityController<V1AdmissionCheck>
{
    public async Task<ReconciliationResult<V1AdmissionCheck>> ReconcileAsync(V1AdmissionCheck entity, CancellationToken cancellationToken)
    {
        if (
            entity.Spec.ControllerName != AdmissionAnswer.ControllerName
            || entity.Status.Conditions.Any(condition => condition is { Type: "Active", Status: "True" })
        )
            return ReconciliationResult<V1AdmissionCheck>.Success(entity);
        var conditions = Conditions.Set(
            entity.Status.Conditions,
            new()
            {
                Type = "Active",
                Status = "True",
                Reason = "Active",
                Message = "Bursar answers it by the budgets of the Workload's namespace.",
                ObservedGeneration = entity.Metadata.Generation,
            },
            time.GetUtcNow()
        );
        try
        {
            await client.PatchAsync<V1AdmissionCheck>(
                entity.Metadata.Name,
                null,
                KubePatch.Merge(
                    new JsonObject
                    {
                        ["metadata"] = new JsonObject
                        {
                            ["uid"] = entity.Metadata.Uid,
                            ["resourceVersion"] = entity.Metadata.ResourceVersion,
                        },
                        ["status"] = new JsonObject { ["conditions"] = new JsonArray([.. conditions.Select(ConditionJson)]) },
                    }
                ) with
                {
                    Subresource = "status",
                },
                cancellationToken
            );
        }
        catch (ApiException error) when (error.IsConflict || error.IsNotFound)
        {
            // Kueue writes to it at the same time, for example its finalizer. The resulting update triggers another reconcile.
        }
        return ReconciliationResult<V1AdmissionCheck>.Success(entity);
    }

    public Task<ReconciliationResult<V1AdmissionCheck>> DeletedAsync(V1AdmissionCheck entity, CancellationToken cancellationToken) =>
        Task.FromResult(ReconciliationResult<V1AdmissionCheck>.Success(entity));

    private static JsonNode ConditionJson(V1Condition condition) =>
        System.Text.Json.JsonSerializer.SerializeToNode(condition, KubeJson.TypeInfo<V1Condition>())!;
}
