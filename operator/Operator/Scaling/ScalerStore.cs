using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Targets;

namespace Bursar.Operator.Scaling;

/// <summary>The scalers, their state between two passes, and their targets. Only the scaler loop changes it.</summary>
internal sealed class ScalerStore(
    ClusterStores stores,
    ScaleTargets targets,
    TriggerMeter meter,
    ElasticTargets elastic,
    ScalerReporter reporter,
    TimeProvider time
)
{
    private readonly Dictionary<ObjectKey, ScalerEntry> _entries = [];

    public HashSet<string> PodUids()
    {
        lock (_entries)
            return _entries
                .Values.SelectMany(entry => entry.Target?.ReplicaPods ?? [])
                .SelectMany(replica => replica.Pods.Select(pod => pod.Metadata.Uid))
                .ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Returns the latest decision on a scaler; null before the first one and while it cannot be evaluated. Thread-safe.</summary>
    public ScalerResult? LastOf(ObjectKey scaler)
    {
        lock (_entries)
            return _entries.GetValueOrDefault(scaler)?.Latest;
    }

    /// <summary>Updates the entries of a namespace from its objects and returns them.</summary>
    public List<ScalerEntry> Gather(string ns)
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
                meter.Forget(_entries[gone].Scaler.Metadata.Uid);
                _entries.Remove(gone);
                elastic.Set(gone, null);
                reporter.Forget(gone);
            }
            foreach (var scaler in stores.Scalers.Store.ByIndex(Indexes.Namespace, ns))
            {
                var key = ObjectKey.From(scaler);
                if (!_entries.TryGetValue(key, out var entry) || entry.Scaler.Metadata.Uid != scaler.Metadata.Uid)
                    _entries[key] = entry = new(scaler, time.GetUtcNow());
                entry.Update(scaler);
                found.Add(entry);
            }
        }
        return found;
    }

    /// <summary>Returns an entry's target and parsed spec. If it cannot be evaluated, reports that and returns null.</summary>
    public ScaleTarget? Find(ScalerEntry entry, Dictionary<string, ScalerEntry> taken, out ScalerTerms? terms)
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
            Refuse(entry, Reasons.TargetNotFound, ScalerEvaluator.Message(whyNot!));
        else if (!taken.TryAdd(target.Uid, entry))
        {
            Refuse(
                entry,
                Reasons.TargetConflict,
                $"InferenceScaler {taken[target.Uid].Scaler.Metadata.Name} scales {target.Display} already: it is the older one. Two scalers of one target would revert each other."
            );
            return null;
        }
        else if (whyNot is not null && target.OtherAutoscaler is null)
        {
            Refuse(entry, Reasons.TargetNotScalable, ScalerEvaluator.Message(whyNot));
            return null;
        }
        if (target is null)
            return null;
        // A recreated target (same name, new UID) must not inherit the old scaling history.
        if (entry.Target is { } before && before.Uid != target.Uid)
            entry.Memory = ScalerMemory.Empty;
        entry.Target = target;
        meter.Want(entry.Scaler.Metadata.Uid, terms);
        return target;
    }

    private void Refuse(ScalerEntry entry, string reason, string message)
    {
        entry.Latest = null;
        entry.Target = null;
        entry.Refusal = message;
        meter.Forget(entry.Scaler.Metadata.Uid);
        elastic.Set(ObjectKey.From(entry.Scaler), null);
        reporter.Refuse(entry, reason, message);
    }
}
