using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Scaling;
using Bursar.Kube.Client;
using Bursar.Kube.Http;
using Bursar.Kube.Informers;
using Bursar.Kube.Objects;
using Bursar.Kube.Reconcile;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Serving;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling;

/// <summary>
/// One loop for all scalers: whatever wakes it, it looks at all scalers of the namespaces concerned together, since those of one budget share its
/// room; it decides, writes, and tells.
/// </summary>
public sealed partial class ScalerLoop(
    KubeClient client, ClusterStores stores, GpuLedger ledger, ScaleTargets targets, ScalerObserver observer, TriggerMeter meter, PrometheusPoller prometheus, ScaleActor actor, ScalerEvents events, ScalerBoard board, KedaGuests guests,
    ControlSwitch control, WritePacer pacer, OperatorMetrics metrics, TimeProvider time, ILogger<ScalerLoop> logger)
{
    /// <summary>However quiet it is: windows, cooldowns and times of day go by.</summary>
    public static readonly TimeSpan Evaluation = TimeSpan.FromSeconds(5);

    /// <summary>What comes within this time is looked at together.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);

    /// <summary>No more than a fifth of a core goes into looking.</summary>
    private const int RestPerWork = 4;

    private const int WritesAtOnce = 8;

    private readonly FailureLog _failures = new(client);
    private readonly Wakeup _wakeup = new(client.ActivityTracker);
    private readonly Lock _gate = new();
    private readonly HashSet<string> _dirty = new(StringComparer.Ordinal);
    private readonly Dictionary<ObjectKey, ScalerEntry> _entries = [];
    private readonly BudgetsOver _budgets = new(stores);
    private readonly Dictionary<ObjectKey, IReadOnlyList<string>> _guestPods = [];
    private volatile HashSet<string> _pods = new(StringComparer.Ordinal);

    /// <summary>Other pods are scaled by than before.</summary>
    public event Action? PodsChanged;

    /// <summary>Some decision was made anew.</summary>
    public event Action? Decided;

    /// <summary>Whether a scaler goes by what this pod shows.</summary>
    public bool IsScaled(V1Pod pod) => _pods.Contains(pod.Metadata.Uid);

    /// <summary>Looks at a namespace's scalers, soon.</summary>
    public void Wake(string ns)
    {
        lock (_gate)
            if (!_dirty.Add(ns)) return;
        _wakeup.Set();
    }

    /// <summary>The same, where it has any.</summary>
    public void WakeIfScaled(string ns)
    {
        if (stores.Scalers.Store.ByIndex(Indexes.Namespace, ns).Any() || guests.HasAny(ns)) Wake(ns);
    }

    /// <summary>Pods showed something new.</summary>
    public void WakeFor(IReadOnlyCollection<string> podUids)
    {
        foreach (var uid in podUids)
            if (_pods.Contains(uid) && stores.Pods.Store.GetByUid(uid)?.Metadata.Namespace is { } ns) Wake(ns);
    }

    /// <summary>A Prometheus answered something for these scalers.</summary>
    public void WakeScalers(IReadOnlyCollection<string> scalerUids)
    {
        foreach (var uid in scalerUids)
            if (stores.Scalers.Store.GetByUid(uid)?.Metadata.Namespace is { } ns) Wake(ns);
    }

    /// <summary>Whether the scaler of a record exists and still stands by what it changed.</summary>
    public bool Holds(ScaledRecord record)
    {
        if (stores.Scalers.Store.GetByUid(record.ScalerUid) is not { Spec.ScaleTargetRef: { } reference } scaler) return false;
        var target = targets.Find(record.Namespace, reference.ApiVersion ?? "apps/v1", reference.Kind ?? "Deployment", reference.Name ?? "", out _);
        // What it scaled or capped before it named another target is nobody's now.
        return target is not null && (target.Uid == record.Target.Uid || target.Owner?.Uid == record.Target.Uid) && scaler.Metadata.DeletionTimestamp is null;
    }

    /// <summary>The latest decision on a scaler; null before the first and while it cannot be evaluated. Safe from any thread.</summary>
    public ScalerResult? LastOf(ObjectKey scaler)
    {
        lock (_entries) return _entries.GetValueOrDefault(scaler)?.Latest;
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        client.ActivityTracker?.Begin(Wakeup.What);
        try
        {
            while (true)
            {
                await _wakeup.WaitAsync(cancellationToken);
                string[] dirty;
                lock (_gate)
                {
                    dirty = [.. _dirty];
                    _dirty.Clear();
                }
                var looked = TimeSpan.Zero;
                try
                {
                    var begun = time.GetTimestamp();
                    var entries = Look(dirty);
                    // What is written takes the API server's time and not this one's: it makes nobody wait for the next look.
                    looked = time.GetElapsedTime(begun);
                    await WriteAsync(entries, cancellationToken);
                    _failures.Succeeded();
                }
                catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
                {
                    if (_failures.IsNews(error)) LogFailed(error.Message);
                }
                var pause = looked * RestPerWork;
                await ActivityTracker.DelayAsync(client.ActivityTracker, time, pause < Gathering ? Gathering : pause > Evaluation ? Evaluation : pause, cancellationToken, Wakeup.What);
            }
        }
        finally
        {
            client.ActivityTracker?.End(Wakeup.What);
        }
    }

    /// <summary>Wakes the loop for all that moves with time alone.</summary>
    public Task TickAsync(CancellationToken cancellationToken) => PeriodicLoop.RunAsync(client, "scalers' clock", _ =>
    {
        foreach (var ns in stores.Scalers.Store.List().Select(scaler => scaler.Metadata.Namespace ?? "").Concat(guests.Namespaces).Distinct(StringComparer.Ordinal)) Wake(ns);
        return Task.FromResult(Evaluation);
    }, cancellationToken);

    private List<ScalerEntry> Look(IReadOnlyCollection<string> namespaces)
    {
        var entries = new List<ScalerEntry>();
        foreach (var ns in namespaces) entries.AddRange(Gather(ns));
        Decide(namespaces, entries);
        TellPods();
        Decided?.Invoke();
        return entries;
    }

    private async Task WriteAsync(List<ScalerEntry> entries, CancellationToken cancellationToken)
    {
        await Parallel.ForEachAsync(entries.Where(entry => entry.Latest is not null), new ParallelOptions { MaxDegreeOfParallelism = WritesAtOnce, CancellationToken = cancellationToken },
            async (entry, token) => await ActAsync(entry, token));
        foreach (var entry in entries) await TellAsync(entry, cancellationToken);
    }

    /// <summary>Brings the entries of a namespace in line with its objects.</summary>
    private List<ScalerEntry> Gather(string ns)
    {
        var found = new List<ScalerEntry>();
        lock (_entries)
        {
            foreach (var gone in _entries.Where(pair => pair.Key.Namespace == ns && stores.Scalers.Store.GetByUid(pair.Value.Scaler.Metadata.Uid) is null).Select(pair => pair.Key).ToArray())
            {
                prometheus.Forget(_entries[gone].Scaler.Metadata.Uid);
                _entries.Remove(gone);
                board.Hold(gone, null);
                metrics.ForgetScaler(gone.Namespace ?? "", gone.Name);
            }
            foreach (var scaler in stores.Scalers.Store.ByIndex(Indexes.Namespace, ns))
            {
                var key = ObjectKey.Of(scaler);
                if (!_entries.TryGetValue(key, out var entry) || entry.Scaler.Metadata.Uid != scaler.Metadata.Uid) _entries[key] = entry = new(scaler, time.GetUtcNow());
                entry.See(scaler);
                found.Add(entry);
            }
        }
        return found;
    }

    /// <summary>Looks, divides the money, decides. Nothing is written.</summary>
    private void Decide(IReadOnlyCollection<string> namespaces, IReadOnlyList<ScalerEntry> entries)
    {
        var parked = ledger.Parked().ToLookup(record => record.Uid, record => record.Budget, StringComparer.Ordinal);
        var taken = new Dictionary<string, ScalerEntry>(StringComparer.Ordinal);
        var looks = new List<Looked>();
        var purses = new Dictionary<ObjectKey, (BudgetRoom Room, List<MoneyAsker> Askers)>();
        // The oldest scaler of a target scales it: who comes later is told.
        foreach (var entry in entries.OrderBy(entry => entry.Scaler.Metadata.CreationTimestamp).ThenBy(entry => entry.Scaler.Metadata.Name, StringComparer.Ordinal))
        {
            if (Find(entry, taken, out var terms) is not { } target) continue;
            var scaler = entry.Scaler;
            // Another target under the same name has another story.
            if (entry.Target is { } before && before.Uid != target.Uid) entry.Memory = ScalerMemory.Empty;
            entry.Target = target;
            prometheus.Want(scaler.Metadata.Uid, meter.QuestionsOf(terms!));
            var parkedBy = parked[target.Uid].FirstOrDefault();
            var (budgets, problem) = _budgets.Of(target.Namespace, ScalerObserver.LabelsOf(target), terms!.Budget, target.Display);
            var snapshot = observer.Observe(scaler, terms, target, entry.Memory, parkedBy, entry.Since) with { BudgetProblem = problem };
            var look = new Looked(scaler.Metadata.Uid, snapshot, ScalerDemand.Of(snapshot), [], decision => Settle(entry, snapshot, decision));
            if (problem is not null) look.Caps.Add(MoneyCaps.Hold(terms.Budget!, snapshot, problem));
            entry.Burn = observer.BurnOf(target);
            Ask(look, budgets, purses, parkedBy is null);
            looks.Add(look);
            board.Hold(ObjectKey.Of(scaler), parkedBy is null ? Elastic(target, snapshot) : null);
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
            board.Hold(held, Elastic(target, snapshot));
            present.Add(held);
            _guestPods[held] = [.. target.ReplicaPods.SelectMany(replica => replica.Pods).Select(pod => pod.Metadata.Uid)];
        }
        foreach (var gone in _guestPods.Keys.Where(key => namespaces.Contains(key.Namespace) && !present.Contains(key)).ToArray())
        {
            _guestPods.Remove(gone);
            board.Hold(gone, null);
        }
        foreach (var (key, purse) in purses)
        {
            var given = MoneyCaps.OfBudget(key.Name, purse.Room.Room!, purse.Askers);
            foreach (var look in looks)
                if (given.TryGetValue(look.Key, out var cap)) look.Caps.Add(cap);
        }
        foreach (var look in looks)
        {
            var decision = ScalerDecider.Decide(look.Snapshot, look.Demand, look.Caps);
            look.Settle(decision);
            foreach (var guest in look.Guests) guest.Afford(decision.Affordable ?? int.MaxValue);
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
        if (target is null) Refuse(entry, Reasons.TargetNotFound, Sentence(whyNot!));
        else if (!taken.TryAdd(target.Uid, entry))
        {
            Refuse(entry, Reasons.TargetTaken, $"InferenceScaler {taken[target.Uid].Scaler.Metadata.Name} scales {target.Display} already: it is the older one. Two would undo each other.");
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
    private void Ask(Looked look, IReadOnlyList<V1Alpha1GpuBudget> budgets, Dictionary<ObjectKey, (BudgetRoom Room, List<MoneyAsker> Askers)> purses, bool asks)
    {
        if (MoneyCaps.OfCostCap(look.Snapshot) is { } own) look.Caps.Add(own);
        foreach (var budget in budgets)
        {
            var (key, name) = (ObjectKey.Of(budget), budget.Metadata.Name);
            var room = board.RoomOf(key);
            if (room is null) look.Caps.Add(MoneyCaps.Hold(name, look.Snapshot, $"budget {name} has not been looked at yet"));
            else if (!room.IsEnforcing || room is { Room: null, IsBefore: true }) continue;
            else if (room.Room is null) look.Caps.Add(MoneyCaps.Hold(name, look.Snapshot, $"the window of budget {name} is over"));
            // What a budget has parked asks for nothing.
            else if (asks)
            {
                if (!purses.TryGetValue(key, out var purse)) purses.Add(key, purse = (room, []));
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
        else if (!decision.IsCapped) entry.CappedSince = null;
        var ready = decision.Conditions.First(condition => condition.Type == "Ready");
        Hinder(entry, ready.Status == false ? ready.Reason : decision.Reason is Reasons.Contested or Reasons.FallbackActive ? decision.Reason : null, ready.Message, decision.At);
    }

    private void Refuse(ScalerEntry entry, string reason, string message)
    {
        entry.Latest = null;
        entry.Target = null;
        prometheus.Forget(entry.Scaler.Metadata.Uid);
        board.Hold(ObjectKey.Of(entry.Scaler), null);
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
        if (entry.Hindrance?.Reason == reason) return;
        entry.Hindrance = (reason, now);
        events.Hindered(entry.Scaler, reason, message, now);
    }

    private async Task ActAsync(ScalerEntry entry, CancellationToken cancellationToken)
    {
        var (target, (snapshot, decision), scaler) = (entry.Target!, entry.Latest!, entry.Scaler);
        entry.Refusal = null;
        if (control.ObserveOnly || snapshot.ParkedBy is not null) return;
        WriteOutcome outcome;
        try
        {
            if (target.Owner is { } owner)
            {
                if (decision.Reason == Reasons.Contested || !IsToBeCapped(entry, owner, decision.Affordable)) return;
                LogCaps(target.Namespace, scaler.Metadata.Name, owner.Manager, decision.Affordable ?? -1, decision.Reason);
                outcome = await actor.CapAsync(entry.Ref, target, decision.Affordable ?? int.MaxValue, cancellationToken);
                if (outcome is { Result: WriteResult.Done, Text: { } undone })
                {
                    entry.Memory = entry.Memory.WithUndone(time.GetUtcNow());
                    events.SetByOther(scaler, target, Sentence(undone), time.GetUtcNow());
                }
            }
            else
            {
                if (!decision.Scales || entry.Memory.AwaitsEcho(decision.Replicas, decision.At)) return;
                LogScales(target.Namespace, scaler.Metadata.Name, target.Display, decision.Replicas, decision.Desired, decision.Reason);
                outcome = await actor.ScaleAsync(entry.Ref, target, decision.Desired, cancellationToken);
                if (outcome.Result == WriteResult.Done)
                {
                    if (decision.Memory.DemandSince is { } since && decision.Desired > decision.Replicas) metrics.ScaledUp(time.GetUtcNow() - since);
                    entry.Memory = entry.Memory.WithScaled(decision.Replicas, decision.Desired, snapshot.Terms.Behavior, time.GetUtcNow());
                    entry.ScaledAt = time.GetUtcNow();
                    events.Scaled(scaler, target, decision);
                    // What was given back here may be another one's now.
                    if (decision.Desired < decision.Replicas) Wake(target.Namespace);
                }
            }
        }
        catch (ApiException error)
        {
            // One that cannot be written must not keep the others from it: it is tried again at the next look.
            outcome = WriteOutcome.Refused(error.Message);
        }
        if (outcome.Result is not (WriteResult.Refused or WriteResult.ChangedByOther)) return;
        entry.Refusal = outcome.Text;
        LogRefused(target.Namespace, scaler.Metadata.Name, outcome.Text ?? "");
    }

    /// <summary>Its owner's maximum is not what the money says, and was not lowered to that yet.</summary>
    private bool IsToBeCapped(ScalerEntry entry, ScaleOwner owner, int? affordable)
    {
        var record = ledger.ScaledBy(entry.Ref.Namespace, entry.Ref.Uid, owner.Uid);
        if (affordable is not { } most) return record is not null;
        // Without a maximum of its own KEDA's is 100; it cannot go below its own minimum, nor below one.
        var (max, least) = (owner.Max ?? 100, Math.Max(1, owner.Min ?? 1));
        return record is null ? max > most && max > least : Math.Max(most, least) != max;
    }

    private async Task TellAsync(ScalerEntry entry, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var status = entry.Latest is ({ } snapshot, { } decision) ? ScalerStatus.Of(entry.Scaler, snapshot, decision, entry.Burn, entry.ScaledAt)
            : ScalerStatus.Refused(entry.Scaler, entry.Hindrance?.Reason ?? Reasons.TargetNotFound, entry.Refusal ?? "", now);
        if (entry.Latest is not null && entry.Refusal is { } refusal) status.Message = $"{status.Message} {Sentence(refusal)}";
        if (ScalerStatus.DueIn(entry.Written?.Status ?? entry.Scaler.Status, status, entry.Written is { } written ? now - written.At : TimeSpan.MaxValue) is not { } due || due > TimeSpan.Zero) return;
        if (!pacer.TryTake(entry.Scaler.Metadata.Uid, out _)) return;
        try
        {
            await client.PatchAsync<V1Alpha1InferenceScaler>(entry.Scaler.Metadata.Name, entry.Scaler.Metadata.Namespace, KubePatch.Merge(ScalerStatus.Patch(entry.Scaler, status)) with { Subresource = "status" }, cancellationToken);
            entry.Written = (status, now);
        }
        catch (ApiException error) when (error.IsNotFound || error.IsConflict)
        {
            // Deleted, or made anew under the same name: the next look finds out.
        }
        catch (ApiException error)
        {
            // One status that is refused must not keep the others from being told.
            if (_failures.IsNews(error)) LogFailed(error.Message);
        }
    }

    private void TellPods()
    {
        var pods = new HashSet<string>(StringComparer.Ordinal);
        lock (_entries)
            foreach (var entry in _entries.Values)
                foreach (var replica in entry.Target?.ReplicaPods ?? [])
                    foreach (var pod in replica.Pods) pods.Add(pod.Metadata.Uid);
        foreach (var uids in _guestPods.Values) pods.UnionWith(uids);
        if (pods.SetEquals(_pods)) return;
        _pods = pods;
        PodsChanged?.Invoke();
    }

    private static string Sentence(string words) => $"{char.ToUpperInvariant(words[0])}{words[1..]}{(words[^1] == '.' ? "" : ".")}";

    /// <summary>One target as it is looked at in one pass.</summary>
    private sealed record Looked(string Key, ScalerSnapshot Snapshot, ScalerDemand Demand, List<MoneyCap> Caps, Action<ScalerDecision> Settle)
    {
        /// <summary>Whoever KEDA asks for is told what this one may have.</summary>
        public List<KedaGuest> Guests { get; } = [];
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Scales: namespace={namespace} name={name} target={target} from={from} to={to} reason={reason}")]
    private partial void LogScales(string @namespace, string name, string target, int from, int to, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Caps: namespace={namespace} name={name} owner={owner} affordable={affordable} reason={reason}")]
    private partial void LogCaps(string @namespace, string name, string owner, int affordable, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not scale: namespace={namespace} name={name} why={why}")]
    private partial void LogRefused(string @namespace, string name, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Scaler evaluation failed, retrying: {Reason}")]
    private partial void LogFailed(string reason);
}
