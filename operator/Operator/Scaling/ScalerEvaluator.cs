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
/// Decides on scalers. It evaluates all scalers of the given namespaces together, because those of one budget share its affordable rate,
/// and publishes Events and metrics. It writes no objects.
/// </summary>
internal sealed class ScalerEvaluator(
    ScalerStore scalers,
    OperatorState state,
    ScalerObserver observer,
    TargetBudgets budgets,
    ExternalScalerClients externalClients,
    ElasticTargets elastic,
    ScalerReporter reporter
)
{
    private readonly Dictionary<ObjectKey, IReadOnlyList<string>> _externalPods = [];
    private volatile HashSet<string> _pods = new(StringComparer.Ordinal);

    /// <summary>Raised when the set of scaled pods changed.</summary>
    public event Action? PodsChanged;

    public event Action? Decided;

    /// <summary>Whether a scaler uses the metrics of this pod. Thread-safe.</summary>
    public bool IsScaled(string podUid) => _pods.Contains(podUid);

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

    /// <summary>Whether a budget's new decision may affect scalers.</summary>
    internal static bool Differs(BudgetDecision before, BudgetDecision now) =>
        before.AffordableRate != now.AffordableRate
        || before.IsEnforcing != now.IsEnforcing
        || before.Currency != now.Currency
        || before.At < before.WindowStart != now.At < now.WindowStart;

    private void Decide(IReadOnlyCollection<string> namespaces, IReadOnlyList<ScalerEntry> entries)
    {
        var suspended = state.Suspensions().ToLookup(record => record.Uid, record => record.Budget, StringComparer.Ordinal);
        var taken = new Dictionary<string, ScalerEntry>(StringComparer.Ordinal);
        var targets = new List<Evaluated>();
        // The oldest scaler of a target scales it. Later ones are refused.
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
            var (payers, problem) = budgets.For(target.Namespace, ScalerObserver.LabelsOf(target), terms!.Budget, target.Display);
            var snapshot = observer.Observe(scaler, terms, target, entry.Memory, suspendedBy, entry.Since) with { BudgetProblem = problem };
            // A budget that has suspended the target pays for none of its replicas.
            var evaluated = new Evaluated(scaler.Metadata.Uid, snapshot, payers, RequestsShare: suspendedBy is null, decision =>
                Settle(entry, snapshot, decision)
            );
            if (problem is not null)
                evaluated.Caps.Add(ReplicaCaps.Keep(terms.Budget!, snapshot, problem));
            entry.Burn = observer.BurnOf(target);
            targets.Add(evaluated);
            elastic.Set(ObjectKey.From(scaler), suspendedBy is null ? Elastic(target, snapshot) : null);
        }
        var present = new HashSet<ObjectKey>();
        foreach (var (client, scaled, target, snapshot) in namespaces.SelectMany(externalClients.In))
        {
            // If an InferenceScaler has the same target, it makes the request.
            if (taken.TryGetValue(target.Uid, out var scalerOfTarget))
            {
                targets.First(evaluated => evaluated.Key == scalerOfTarget.Scaler.Metadata.Uid).ExternalClients.Add(client);
                continue;
            }
            var (payers, _) = budgets.For(target.Namespace, ScalerObserver.LabelsOf(target), null, target.Display);
            var evaluated = new Evaluated(scaled.Metadata.Uid, snapshot, payers, RequestsShare: true, decision =>
                client.Memory = decision.Memory
            );
            evaluated.ExternalClients.Add(client);
            targets.Add(evaluated);
            var key = new ObjectKey(target.Namespace, $"ScaledObject/{scaled.Metadata.Name}");
            elastic.Set(key, Elastic(target, snapshot));
            present.Add(key);
            _externalPods[key] = [.. target.ReplicaPods.SelectMany(replica => replica.Pods).Select(pod => pod.Metadata.Uid)];
        }
        foreach (var gone in _externalPods.Keys.Where(key => namespaces.Contains(key.Namespace) && !present.Contains(key)).ToArray())
        {
            _externalPods.Remove(gone);
            elastic.Set(gone, null);
        }
        budgets.Cap(targets);
        foreach (var evaluated in targets)
        {
            var decision = ScalerDecider.Decide(evaluated.Snapshot, evaluated.Demand, evaluated.Caps);
            evaluated.Settle(decision);
            foreach (var client in evaluated.ExternalClients)
                client.Afford(decision.Affordable ?? int.MaxValue);
        }
    }

    private ElasticTarget Elastic(ScaleTarget target, ScalerSnapshot snapshot)
    {
        var workload = observer.WorkloadOf(target);
        return new(workload, observer.BurnOf(target), snapshot.Prices.RateOf(snapshot.Terms.Min), workload == target.Uid);
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

    /// <summary>Makes a sentence: starts with a capital letter and ends with a full stop.</summary>
    internal static string Message(string text) => $"{char.ToUpperInvariant(text[0])}{text[1..]}{(text[^1] == '.' ? "" : ".")}";
}

/// <summary>One target in one pass.</summary>
/// <param name="Key">UID of its scaler.</param>
/// <param name="Snapshot">Input of its decision.</param>
/// <param name="Payers">The budgets that pay for it.</param>
/// <param name="RequestsShare">Whether it gets a share of their affordable rates.</param>
/// <param name="Settle">Receives the decision.</param>
internal sealed record Evaluated(
    string Key,
    ScalerSnapshot Snapshot,
    IReadOnlyList<BudgetObject> Payers,
    bool RequestsShare,
    Action<ScalerDecision> Settle
)
{
    public ScalerDemand Demand { get; } = ScalerDemand.From(Snapshot);

    public List<ReplicaCap> Caps { get; } = [];

    /// <summary>The ScaledObjects that are limited to the result.</summary>
    public List<ExternalScalerClient> ExternalClients { get; } = [];
}
