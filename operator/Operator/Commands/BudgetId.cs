using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary>The kind, namespace and name of a budget.</summary>
/// <param name="Namespace">Empty for a ClusterGpuBudget.</param>
internal sealed record BudgetId(string Namespace, string Name)
{
    public bool IsCluster => Namespace.Length == 0;

    /// <summary>The budget as <c>bursar</c> and <c>kubectl</c> accept it, without the namespace.</summary>
    public string Argument => $"{(IsCluster ? "cgpub" : "gpub")}/{Name}";

    /// <summary>The budget as the commands accept it, with the option for its namespace.</summary>
    public string Arguments => IsCluster ? Argument : $"{Argument} -n {Namespace}";

    /// <summary>For messages about a budget that may not exist.</summary>
    public string InWords =>
        IsCluster ? $"{V1Alpha1ClusterGpuBudget.KindName} {Name}" : $"{V1Alpha1GpuBudget.KindName} {Name} in namespace {Namespace}";

    public static BudgetId From(BudgetObject budget) => new(budget.Metadata.Namespace ?? "", budget.Metadata.Name);

    /// <summary>Returns the budget of a shard, also for the shard of a limit inside the budget.</summary>
    public static BudgetId From(LedgerShard shard) => new(shard.Namespace ?? "", BudgetObject.WithoutLimit(shard.BudgetName ?? ""));

    public static BudgetId From(SuspensionRecord record) =>
        new(record.IsClusterBudget ? "" : record.Namespace, BudgetObject.WithoutLimit(record.Budget));

    /// <summary>Returns <c>GpuBudget team/nlp</c> or <c>ClusterGpuBudget research</c>.</summary>
    public override string ToString() =>
        IsCluster ? $"{V1Alpha1ClusterGpuBudget.KindName} {Name}" : $"{V1Alpha1GpuBudget.KindName} {Namespace}/{Name}";

    /// <summary>Returns the budget; null if it does not exist.</summary>
    /// <exception cref="ApiException">The request failed, also because the cluster does not serve the kind.</exception>
    public async Task<BudgetObject?> GetAsync(KubeClient client, CancellationToken cancellationToken) =>
        IsCluster
            ? await ClusterAccess.GetOrNullAsync<V1Alpha1ClusterGpuBudget>(client, Name, null, cancellationToken)
            : await ClusterAccess.GetOrNullAsync<V1Alpha1GpuBudget>(client, Name, Namespace, cancellationToken);

    public async Task PatchAsync(KubeClient client, KubePatch patch, CancellationToken cancellationToken)
    {
        if (IsCluster)
            await ClusterAccess.WithRightAsync($"patch {V1Alpha1ClusterGpuBudget.PluralName}.{ApiGroup.Name}", () =>
                client.PatchAsync<V1Alpha1ClusterGpuBudget>(Name, null, patch, cancellationToken)
            );
        else
            await ClusterAccess.WithRightAsync($"patch {V1Alpha1GpuBudget.PluralName}.{ApiGroup.Name} in namespace {Namespace}", () =>
                client.PatchAsync<V1Alpha1GpuBudget>(Name, Namespace, patch, cancellationToken)
            );
    }

    public static JsonNode ToJson(BudgetObject budget) =>
        budget is V1Alpha1ClusterGpuBudget cluster
            ? JsonSerializer.SerializeToNode(cluster, ApiJson.ClusterGpuBudget)!
            : JsonSerializer.SerializeToNode((V1Alpha1GpuBudget)budget, ApiJson.GpuBudget)!;
}
