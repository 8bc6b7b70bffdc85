using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary>The ClusterGpuBudgets of a cluster, and those of them that cover one namespace, as far as the user may read both.</summary>
/// <param name="All">All ClusterGpuBudgets.</param>
/// <param name="Covering">The UIDs of those that cover the namespace.</param>
/// <param name="Missing">For users: the budgets that may be missing, and why. Null if none are.</param>
internal sealed record CoveringBudgets(IReadOnlyList<V1Alpha1ClusterGpuBudget> All, IReadOnlySet<string> Covering, string? Missing)
{
    /// <summary>Returns all ClusterGpuBudgets; none if the cluster has the CRDs of an earlier version.</summary>
    public static async Task<IReadOnlyList<V1Alpha1ClusterGpuBudget>> ListAsync(KubeClient client, CancellationToken cancellationToken)
    {
        try
        {
            return (await client.ListAsync<V1Alpha1ClusterGpuBudget>(new() { Limit = 500 }, cancellationToken)).Items;
        }
        catch (ApiException missing) when (Failures.IsKindMissing(missing))
        {
            return [];
        }
    }

    /// <param name="client">The client.</param>
    /// <param name="bursarNamespace">Bursar's namespace, which no selector matches.</param>
    /// <param name="ns">The namespace to be covered.</param>
    /// <param name="shards">The budgets' shards of the ledger; empty if it cannot be read.</param>
    /// <param name="cancellationToken">Cancels the requests.</param>
    public static async Task<CoveringBudgets> ReadAsync(
        KubeClient client,
        string bursarNamespace,
        string ns,
        IReadOnlyList<LedgerShard> shards,
        CancellationToken cancellationToken
    )
    {
        IReadOnlyList<V1Alpha1ClusterGpuBudget> all;
        try
        {
            all = await ClusterAccess.WithRightAsync($"list {V1Alpha1ClusterGpuBudget.PluralName}.{ApiGroup.Name}", () =>
                ListAsync(client, cancellationToken)
            );
        }
        catch (CommandException refused)
        {
            return new([], new HashSet<string>(), $"note: ClusterGpuBudgets are left out: {refused.Message}");
        }
        if (all.Count == 0)
            return new([], new HashSet<string>(), null);

        var (labels, refusal) = await LabelsAsync(client, ns, cancellationToken);
        var covering = new HashSet<string>(StringComparer.Ordinal);
        var unknown = new List<string>();
        foreach (var budget in all)
        {
            var isCovered =
                refusal is null && labels is not null
                    ? GpuBudgetReader.CoverageOf(budget)?.Covers(ns, labels, isOwn: ns == bursarNamespace) == true
                    : CoversByRecord(budget, ns, shards);
            if (isCovered == true)
                covering.Add(budget.Metadata.Uid);
            else if (isCovered is null)
                unknown.Add(budget.Metadata.Name);
        }
        return new(
            all,
            covering,
            unknown.Count == 0
                ? null
                : $"note: ClusterGpuBudget {string.Join(", ", unknown.Order(StringComparer.Ordinal))} may cover namespace {ns} too: {refusal}"
        );
    }

    /// <summary>Returns whether a budget covers a namespace whose labels are unknown, by the operator's records. Null: unknown.</summary>
    private static bool? CoversByRecord(V1Alpha1ClusterGpuBudget budget, string ns, IReadOnlyList<LedgerShard> shards)
    {
        if (GpuBudgetReader.CoverageOf(budget) is not { } coverage)
            return false;
        if (coverage.Names.Contains(ns))
            return true;
        var recorded = shards
            .Where(shard => StoredLedger.IsOf(shard, budget))
            .Select(shard => StoredForm.Read(shard.Memory)?.Namespaces)
            .FirstOrDefault(namespaces => namespaces is not null);
        if (recorded is not null)
            return recorded.Contains(ns);
        if (budget.Status?.Namespaces?.Contains(ns) == true)
            return true;
        return coverage.Selector is null || budget.Status is { NamespaceCount: { } count, Namespaces: { } all } && all.Count == count
            ? false
            : null;
    }

    /// <summary>Returns the labels of a namespace, which are null if it does not exist; or the refusal, for users.</summary>
    private static async Task<(IReadOnlyDictionary<string, string>? Labels, string? Refusal)> LabelsAsync(
        KubeClient client,
        string ns,
        CancellationToken cancellationToken
    )
    {
        try
        {
            var found = await ClusterAccess.WithRightAsync($"get namespace {ns}", () =>
                client.GetOrNullAsync<V1Namespace>(ns, null, cancellationToken)
            );
            return (found?.Metadata.Labels, null);
        }
        catch (CommandException refused)
        {
            return (null, refused.Message);
        }
    }
}
