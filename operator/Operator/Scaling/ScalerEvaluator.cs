using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Scaling;
using Bursar.Core.State;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Serving;

namespace Bursar.Operator.Scaling;

/// <summary>
/// Decides on scalers: looks at all those of the namespaces concerned together, since those of one budget share its room, divides the
/// money, and publishes Events and metrics. It writes to no object.
/// </summary>
internal sealed class ScalerEvaluator(
    ClusterStores stores,
    OperatorState state,
    ScaleTargets targets,
    ScalerObserver observer,
    TriggerMeter meter,
    PrometheusPoller prometheus,
    ScalerEvents events,
    DecisionStore decisions,
    ElasticTargets elastic,
    KedaGuests guests,
    OperatorMetrics metrics,
    TimeProvider time
)
{
    private readonly Dictionary<ObjectKey, ScalerEntry> _entries = [];
    private readonly BudgetsOver _budgets = new(stores);
    private readonly Dictionary<ObjectKey, IReadOnlyList<string>> _guestPods = [];
    private volatile HashSet<string> _pods = new(StringComparer.Ordinal);

    /// <summary>Other pods are scaled by than before.</summary>
    public event Action? PodsChanged;

    /// <summary>Some decision was made anew.</summary>
    public event Action? Decided;

    /// <summary>Whether a scaler goes by what this pod shows.</summary>
    public bool IsScaled(string podUid) => _pods.Contains(podUid);

    /// <summary>The latest decision on a scaler; null before the first and while it cannot be evaluated. Safe from any thread.</summary>
    public ScalerResult? LastOf(ObjectKey scaler)
    {
        lock (_entries)
            return _entries.GetValueOrDefault(scaler)?.Latest;
    }

    /// <summary>Looks at all scalers of these namespaces and decides on each.</summary>
    internal List<ScalerEntry> Look(IReadOnlyCollection<string> namespaces)
    {
        var entries = new List<ScalerEntry>();
        foreach (var ns in namespaces)
            entries.AddRange(Gather(ns));
        Decide(namespaces, entries);
        TellPods();
        Decided?.Invoke();
        return entries;
    }

    /// <summary>Whether a budget has another effect on scalers than before.</summary>
    internal static bool Differs(BudgetDecision before, BudgetDecision now) =>
        before.Room != now.Room
        || before.IsEnforcing != now.IsEnforcing
        || before.Currency != now.Currency
        || before.At < before.WindowStart != now.At < now.WindowStart;

    /// <summary>Brings the entries of a namespace in line with its objects.</summary>
    private List<ScalerEntry> Gather(string ns)
    {
        var found = new List<ScalerEntry>();
        lock (_entries)
        {
            foreach (
                var gone in _entries
                    .Where(pair => pair.Key.Namespace == ns && stores.Scalers.Store.GetByUid(pair.Value.Scaler.Metadata.Uid) is null)
                    .Select(pair => pair.Key)
                    .ToArray()
            )
            {
                prometheus.Forget(_entries[gone].Scaler.Metadata.Uid);
                _entries.Remove(gone);
                elastic.Hold(gone, null);
                metrics.ForgetScaler(gone.Namespace ?? "", gone.Name);
            }
            foreach (var scaler in stores.Scalers.Store.ByIndex(Indexes.Namespace, ns))
            {
                var key = ObjectKey.Of(scaler);
                if (!_entries.TryGetValue(key, out var entry) || entry.Scaler.Metadata.Uid != scaler.Metadata.Uid)
                    _entries[key] = entry = new(scaler, time.GetUtcNow());
                entry.See(scaler);
                found.Add(entry);
            }
        }
        return found;
    }

    /// <summary>Looks, divides the money, decides. Nothing is written.</summary>
    private void Decide(IReadOnlyCollection<string> namespaces, IReadOnlyList<ScalerEntry> entries)
    {
        var parked = state.Parked().ToLookup(record => record.Uid, record => record.Budget, StringComparer.Ordinal);
        var taken = new Dictionary<string, ScalerEntry>(StringComparer.Ordinal);
        var looks = new List<Looked>();
        var purses = new Dictionary<ObjectKey, (ScalingRoom Room, List<MoneyAsker> Askers)>();
        // The oldest scaler of a target scales it: who comes later is told.
        foreach (
            var entry in entries
                .OrderBy(entry => entry.Scaler.Metadata.CreationTimestamp)
                .ThenBy(entry => entry.Scaler.Metadata.Name, StringComparer.Ordinal)
        )
        {
            if (Find(entry, taken, out var terms) is not { } target)
                continue;
            var scaler = entry.Scaler;
            // Another target under the same name has another story.
            if (entry.Target is { } before && before.Uid != target.Uid)
                entry.Memory = ScalerMemory.Empty;
            entry.Target = target;
            prometheus.Want(scaler.Metadata.Uid, meter.QuestionsOf(terms!));
            var parkedBy = parked[target.Uid].FirstOrDefault();
            var (budgets, problem) = _budgets.Of(target.Namespace, ScalerObserver.LabelsOf(target), terms!.Budget, target.Display);
            var snapshot = observer.Observe(scaler, terms, target, entry.Memory, parkedBy, entry.Since) with { BudgetProblem = problem };
            var look = new Looked(scaler.Metadata.Uid, snapshot, ScalerDemand.Of(snapshot), [], decision =>
                Settle(entry, snapshot, decision)
            );
            if (problem is not null)
                look.Caps.Add(MoneyCaps.Hold(terms.Budget!, snapshot, problem));
            entry.Burn = observer.BurnOf(target);
            Ask(look, budgets, purses, parkedBy is null);
            looks.Add(look);
            elastic.Hold(ObjectKey.Of(scaler), parkedBy is null ? Elastic(target, snapshot) : null);
        }
        var present = new HashSet<ObjectKey>();
        foreach (var (guest, scaled, target, snapshot) in namespaces.SelectMany(guests.In))
        {
            // Where a scaler caps the same target, that one asks.
            if (taken.TryGetValue(target.Uid, out var host))
            {
                looks.First(look => look.Key == host.Scaler.Metadata.Uid).Guests.Add(guest);
                continue;
            }
            var (budgets, _) = _budgets.Of(target.Namespace, ScalerObserver.LabelsOf(target), null, target.Display);
            var look = new Looked(scaled.Metadata.Uid, snapshot, ScalerDemand.Of(snapshot), [], decision => guest.Memory = decision.Memory);
            look.Guests.Add(guest);
            Ask(look, budgets, purses, asks: true);
            looks.Add(look);
            var held = new ObjectKey(target.Namespace, $"ScaledObject/{scaled.Metadata.Name}");
            elastic.Hold(held, Elastic(target, snapshot));
            present.Add(held);
            _guestPods[held] = [.. target.ReplicaPods.SelectMany(replica => replica.Pods).Select(pod => pod.Metadata.Uid)];
        }
        foreach (var gone in _guestPods.Keys.Where(key => namespaces.Contains(key.Namespace) && !present.Contains(key)).ToArray())
        {
            _guestPods.Remove(gone);
            elastic.Hold(gone, null);
        }
        foreach (var (key, purse) in purses)
        {
            var given = MoneyCaps.OfBudget(key.Name, purse.Room, purse.Askers);
            foreach (var look in looks)
                if (given.TryGetValue(look.Key, out var cap))
                    look.Caps.Add(cap);
        }
        foreach (var look in looks)
        {
            var decision = ScalerDecider.Decide(look.Snapshot, look.Demand, look.Caps);
            look.Settle(decision);
            foreach (var guest in look.Guests)
                guest.Afford(decision.Affordable ?? int.MaxValue);
        }
    }

    private ElasticTarget Elastic(ScaleTarget target, ScalerSnapshot snapshot)
    {
        var workload = observer.WorkloadOf(target);
        return new(workload, observer.BurnOf(target), snapshot.Prices.Of(snapshot.Terms.Min), workload == target.Uid);
    }

    /// <summary>What an entry scales and by which terms; null where it cannot be looked after, which is then said.</summary>
    private ScaleTarget? Find(ScalerEntry entry, Dictionary<string, ScalerEntry> taken, out ScalerTerms? terms)
    {
        var errors = entry.Read(out terms);
        if (terms is null)
        {
            Refuse(entry, Reasons.InvalidSpec, BudgetStatus.Message(errors));
            return null;
        }
        var (ns, reference) = (entry.Scaler.Metadata.Namespace ?? "", entry.Scaler.Spec!.ScaleTargetRef!);
        var target = targets.Find(ns, reference.ApiVersion ?? "apps/v1", reference.Kind ?? "Deployment", reference.Name!, out var whyNot);
        if (target is null)
            Refuse(entry, Reasons.TargetNotFound, Sentence(whyNot!));
        else if (!taken.TryAdd(target.Uid, entry))
        {
            Refuse(
                entry,
                Reasons.TargetTaken,
                $"InferenceScaler {taken[target.Uid].Scaler.Metadata.Name} scales {target.Display} already: it is the older one. Two would undo each other."
            );
            return null;
        }
        else if (whyNot is not null && target.Owner is null)
        {
            Refuse(entry, Reasons.TargetNotScalable, Sentence(whyNot));
            return null;
        }
        return target;
    }

    /// <summary>Notes what limits a look: its own cap, and every budget that pays, whose room is divided once all have asked.</summary>
    private void Ask(
        Looked look,
        IReadOnlyList<V1Alpha1GpuBudget> budgets,
        Dictionary<ObjectKey, (ScalingRoom Room, List<MoneyAsker> Askers)> purses,
        bool asks
    )
    {
        if (MoneyCaps.OfCostCap(look.Snapshot) is { } own)
            look.Caps.Add(own);
        foreach (var budget in budgets)
        {
            var (key, name) = (ObjectKey.Of(budget), budget.Metadata.Name);
            var decision = decisions.Of(budget);
            if (decision is null)
                look.Caps.Add(MoneyCaps.Hold(name, look.Snapshot, $"budget {name} has not been looked at yet"));
            else if (!decision.IsEnforcing || decision.Room is null && decision.At < decision.WindowStart)
                continue;
            else if (decision.Room is not { } room)
                look.Caps.Add(MoneyCaps.Hold(name, look.Snapshot, $"the window of budget {name} is over"));
            // What a budget has parked asks for nothing.
            else if (asks)
            {
                if (!purses.TryGetValue(key, out var purse))
                    purses.Add(key, purse = (room, []));
                purse.Askers.Add(new(look.Key, look.Snapshot, Bounded(look.Demand, look.Caps)));
            }
        }
    }

    private void Settle(ScalerEntry entry, ScalerSnapshot snapshot, ScalerDecision decision)
    {
        var before = entry.Memory;
        entry.Memory = decision.Memory;
        entry.Latest = new(snapshot, decision);
        metrics.Record(entry.Scaler.Metadata.Namespace ?? "", entry.Scaler.Metadata.Name, decision);
        Note(entry, decision, before);
    }

    /// <summary>What its own cap forbids it does not ask of a budget either: others may have it.</summary>
    private static ScalerDemand Bounded(ScalerDemand demand, List<MoneyCap> caps) =>
        caps.Count == 0 ? demand : demand with { Wanted = Math.Min(demand.Wanted, caps.Min(cap => cap.Replicas)) };

    /// <summary>The Events that follow from a decision, whatever comes of its write.</summary>
    private void Note(ScalerEntry entry, ScalerDecision decision, ScalerMemory before)
    {
        if (decision.Memory.Undone.Count > 0 && (before.Undone.Count == 0 || before.Undone[^1] != decision.Memory.Undone[^1]))
            events.ScaledByOther(entry.Scaler, entry.Target!, before.Written ?? decision.Replicas, decision.Replicas, decision.At);
        if (decision.IsCapped && entry.CappedSince is null)
        {
            entry.CappedSince = decision.At;
            events.Capped(entry.Scaler, entry.Target!, decision, decision.At);
        }
        else if (!decision.IsCapped)
            entry.CappedSince = null;
        var ready = decision.Conditions.First(condition => condition.Type == ConditionTypes.Ready);
        Hinder(
            entry,
            ready.Status == false ? ready.Reason
                : decision.Reason is Reasons.Contested or Reasons.FallbackActive ? decision.Reason
                : null,
            ready.Message,
            decision.At
        );
    }

    private void Refuse(ScalerEntry entry, string reason, string message)
    {
        entry.Latest = null;
        entry.Target = null;
        prometheus.Forget(entry.Scaler.Metadata.Uid);
        elastic.Hold(ObjectKey.Of(entry.Scaler), null);
        metrics.ForgetScaler(entry.Scaler.Metadata.Namespace ?? "", entry.Scaler.Metadata.Name);
        entry.Refusal = message;
        Hinder(entry, reason, message, time.GetUtcNow());
    }

    private void Hinder(ScalerEntry entry, string? reason, string message, DateTimeOffset now)
    {
        if (reason is null)
        {
            entry.Hindrance = null;
            return;
        }
        if (entry.Hindrance?.Reason == reason)
            return;
        entry.Hindrance = (reason, now);
        events.Hindered(entry.Scaler, reason, message, now);
    }

    private void TellPods()
    {
        var pods = new HashSet<string>(StringComparer.Ordinal);
        lock (_entries)
            foreach (var entry in _entries.Values)
            foreach (var replica in entry.Target?.ReplicaPods ?? [])
            foreach (var pod in replica.Pods)
                pods.Add(pod.Metadata.Uid);
        foreach (var uids in _guestPods.Values)
            pods.UnionWith(uids);
        if (pods.SetEquals(_pods))
            return;
        _pods = pods;
        PodsChanged?.Invoke();
    }

    /// <summary>Makes a sentence: a capital letter first, a full stop last.</summary>
    internal static string Sentence(string words) => $"{char.ToUpperInvariant(words[0])}{words[1..]}{(words[^1] == '.' ? "" : ".")}";

    /// <summary>One target as it is looked at in one pass.</summary>
    private sealed record Looked(
        string Key,
        ScalerSnapshot Snapshot,
        ScalerDemand Demand,
        List<MoneyCap> Caps,
        Action<ScalerDecision> Settle
    )
    {
        /// <summary>Whoever KEDA asks for is told what this one may have.</summary>
        public List<KedaGuest> Guests { get; } = [];
    }
}
