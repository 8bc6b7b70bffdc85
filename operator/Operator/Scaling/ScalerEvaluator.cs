using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Scaling;
using Bursar.Core.State;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Scaling.Targets;

namespace Bursar.Operator.Scaling;

/// <summary>
/// Decides on scalers: looks at all those of the namespaces concerned together, since those of one budget share its room, divides the
/// money, and publishes Events and metrics. It writes to no object.
/// </summary>
internal sealed class ScalerEvaluator(
    ScalerStore scalers,
    OperatorState state,
    ScalerObserver observer,
    TargetBudgets budgets,
    ExternalScalerClients guests,
    ElasticTargets elastic,
    ScalerReporter reporter
)
{
    private readonly Dictionary<ObjectKey, IReadOnlyList<string>> _externalPods = [];
    private volatile HashSet<string> _pods = new(StringComparer.Ordinal);

    /// <summary>Other pods are scaled by than before.</summary>
    public event Action? PodsChanged;

    /// <summary>Some decision was made anew.</summary>
    public event Action? Decided;

    /// <summary>Whether a scaler goes by what this pod shows.</summary>
    public bool IsScaled(string podUid) => _pods.Contains(podUid);

    /// <summary>Looks at all scalers of these namespaces and decides on each.</summary>
    internal List<ScalerEntry> Evaluate(IReadOnlyCollection<string> namespaces)
    {
        var entries = new List<ScalerEntry>();
        foreach (var ns in namespaces)
            entries.AddRange(scalers.Gather(ns));
        Decide(namespaces, entries);
        PublishPods();
        Decided?.Invoke();
        return entries;
    }

    /// <summary>Whether a budget has another effect on scalers than before.</summary>
    internal static bool Differs(BudgetDecision before, BudgetDecision now) =>
        before.AffordableRate != now.AffordableRate
        || before.IsEnforcing != now.IsEnforcing
        || before.Currency != now.Currency
        || before.At < before.WindowStart != now.At < now.WindowStart;

    /// <summary>Looks, divides the money, decides. Nothing is written.</summary>
    private void Decide(IReadOnlyCollection<string> namespaces, IReadOnlyList<ScalerEntry> entries)
    {
        var suspended = state.Suspensions().ToLookup(record => record.Uid, record => record.Budget, StringComparer.Ordinal);
        var taken = new Dictionary<string, ScalerEntry>(StringComparer.Ordinal);
        var looks = new List<Evaluated>();
        // The oldest scaler of a target scales it: who comes later is told.
        foreach (
            var entry in entries
                .OrderBy(entry => entry.Scaler.Metadata.CreationTimestamp)
                .ThenBy(entry => entry.Scaler.Metadata.Name, StringComparer.Ordinal)
        )
        {
            if (scalers.Find(entry, taken, out var terms) is not { } target)
                continue;
            var scaler = entry.Scaler;
            var suspendedBy = suspended[target.Uid].FirstOrDefault();
            var (payers, problem) = budgets.Of(target.Namespace, ScalerObserver.LabelsOf(target), terms!.Budget, target.Display);
            var snapshot = observer.Observe(scaler, terms, target, entry.Memory, suspendedBy, entry.Since) with { BudgetProblem = problem };
            // A budget that has suspended the target pays for nothing.
            var look = new Evaluated(scaler.Metadata.Uid, snapshot, payers, RequestsShare: suspendedBy is null, decision =>
                Settle(entry, snapshot, decision)
            );
            if (problem is not null)
                look.Caps.Add(ReplicaCaps.Keep(terms.Budget!, snapshot, problem));
            entry.Burn = observer.BurnOf(target);
            looks.Add(look);
            elastic.Set(ObjectKey.Of(scaler), suspendedBy is null ? Elastic(target, snapshot) : null);
        }
        var present = new HashSet<ObjectKey>();
        foreach (var (guest, scaled, target, snapshot) in namespaces.SelectMany(guests.In))
        {
            // Where a scaler caps the same target, that one asks.
            if (taken.TryGetValue(target.Uid, out var host))
            {
                looks.First(look => look.Key == host.Scaler.Metadata.Uid).ExternalClients.Add(guest);
                continue;
            }
            var (payers, _) = budgets.Of(target.Namespace, ScalerObserver.LabelsOf(target), null, target.Display);
            var look = new Evaluated(scaled.Metadata.Uid, snapshot, payers, RequestsShare: true, decision =>
                guest.Memory = decision.Memory
            );
            look.ExternalClients.Add(guest);
            looks.Add(look);
            var held = new ObjectKey(target.Namespace, $"ScaledObject/{scaled.Metadata.Name}");
            elastic.Set(held, Elastic(target, snapshot));
            present.Add(held);
            _externalPods[held] = [.. target.ReplicaPods.SelectMany(replica => replica.Pods).Select(pod => pod.Metadata.Uid)];
        }
        foreach (var gone in _externalPods.Keys.Where(key => namespaces.Contains(key.Namespace) && !present.Contains(key)).ToArray())
        {
            _externalPods.Remove(gone);
            elastic.Set(gone, null);
        }
        budgets.Cap(looks);
        foreach (var look in looks)
        {
            var decision = ScalerDecider.Decide(look.Snapshot, look.Demand, look.Caps);
            look.Settle(decision);
            foreach (var guest in look.ExternalClients)
                guest.Afford(decision.Affordable ?? int.MaxValue);
        }
    }

    private ElasticTarget Elastic(ScaleTarget target, ScalerSnapshot snapshot)
    {
        var workload = observer.WorkloadOf(target);
        return new(workload, observer.BurnOf(target), snapshot.Prices.Of(snapshot.Terms.Min), workload == target.Uid);
    }

    private void Settle(ScalerEntry entry, ScalerSnapshot snapshot, ScalerDecision decision)
    {
        var before = entry.Memory;
        entry.Memory = decision.Memory;
        entry.Latest = new(snapshot, decision);
        reporter.Report(entry, decision, before);
    }

    private void PublishPods()
    {
        var pods = scalers.PodUids();
        foreach (var uids in _externalPods.Values)
            pods.UnionWith(uids);
        if (pods.SetEquals(_pods))
            return;
        _pods = pods;
        PodsChanged?.Invoke();
    }

    /// <summary>Makes a sentence: a capital letter first, a full stop last.</summary>
    internal static string Message(string words) => $"{char.ToUpperInvariant(words[0])}{words[1..]}{(words[^1] == '.' ? "" : ".")}";
}

/// <summary>One target as it is looked at in one pass.</summary>
/// <param name="Key">The UID of its scaler.</param>
/// <param name="Snapshot">What is known of it.</param>
/// <param name="Payers">The budgets that pay for it.</param>
/// <param name="RequestsShare">Whether it takes part in the division of their money.</param>
/// <param name="Settle">Takes the decision.</param>
internal sealed record Evaluated(
    string Key,
    ScalerSnapshot Snapshot,
    IReadOnlyList<V1Alpha1GpuBudget> Payers,
    bool RequestsShare,
    Action<ScalerDecision> Settle
)
{
    public ScalerDemand Demand { get; } = ScalerDemand.Of(Snapshot);

    public List<ReplicaCap> Caps { get; } = [];

    /// <summary>The ScaledObjects that get what this one may have.</summary>
    public List<ExternalScalerClient> ExternalClients { get; } = [];
}
