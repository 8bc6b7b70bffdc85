using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>
/// The fields of other objects that scalers set. A record is stored before the object is written, and dropped after the original values are
/// back. A scaler that is deleted while no operator leads therefore leaves no cap behind.
/// </summary>
public sealed partial class OperatorState
{
    /// <summary>A shard takes no new records beyond this size, because records in it grow when values are set again.</summary>
    private const int ScaledShardBytes = 96 * 1024;

    private readonly Dictionary<string, List<StateShard>> _scalers = new(StringComparer.Ordinal);

    /// <summary>
    /// Records fields before they are written, in place of the record of the same scaler and object. Returns false if nothing changed.
    /// </summary>
    public bool RecordScaled(ScalerRecord record)
    {
        lock (_gate)
        {
            var (shard, at) = FindScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
            if (shard is not null)
            {
                if (IsSame(shard.Scalers[at], record))
                    return false;
                shard.EstimatedBytes += StoredForm.Bytes(record) - StoredForm.Bytes(shard.Scalers[at]);
                shard.Scalers[at] = record;
            }
            else
            {
                shard = ShardFor(record);
                shard.Scalers.Add(record);
                shard.EstimatedBytes += StoredForm.Bytes(record);
            }
            shard.Touch();
            return true;
        }
    }

    /// <summary>Drops a record. The original values are back, or the object is gone.</summary>
    public bool DropScaled(string ns, string scalerUid, string targetUid)
    {
        lock (_gate)
        {
            var (shard, at) = FindScaled(ns, scalerUid, targetUid);
            if (shard is null)
                return false;
            shard.EstimatedBytes -= StoredForm.Bytes(shard.Scalers[at]);
            shard.Scalers.RemoveAt(at);
            shard.Touch();
            return true;
        }
    }

    /// <summary>Returns the fields of one object that a scaler has changed, or null.</summary>
    public ScalerRecord? ScaledBy(string ns, string scalerUid, string targetUid)
    {
        lock (_gate)
        {
            var (shard, at) = FindScaled(ns, scalerUid, targetUid);
            return shard?.Scalers[at];
        }
    }

    /// <summary>Returns the fields of one object that scalers have changed, oldest first.</summary>
    public IReadOnlyList<ScalerRecord> ScaledOn(string ns, string targetUid)
    {
        lock (_gate)
            return
            [
                .. ScaledIn(ns)
                    .SelectMany(shard => shard.Scalers)
                    .Where(record => record.Target.Uid == targetUid)
                    .OrderBy(record => record.Since),
            ];
    }

    /// <summary>Returns all fields that scalers have changed, oldest first.</summary>
    public IReadOnlyList<ScalerRecord> Scaled()
    {
        lock (_gate)
        {
            return
            [
                .. _scalers
                    .Values.SelectMany(all => all)
                    .SelectMany(shard => shard.Scalers)
                    .OrderBy(record => record.Since)
                    .ThenBy(record => record.Namespace, StringComparer.Ordinal)
                    .ThenBy(record => record.Target.Name, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>Returns the changed shards with the scalers' records of a namespace, which are written before the action.</summary>
    public IReadOnlyList<LedgerShard> DirtyScaledShards(string ns)
    {
        lock (_gate)
            return Dirty(ScaledIn(ns));
    }

    private IReadOnlyList<StateShard> ScaledIn(string ns) => _scalers.TryGetValue(ns, out var all) ? all : [];

    private (StateShard? Shard, int At) FindScaled(string ns, string scalerUid, string targetUid)
    {
        foreach (var shard in ScaledIn(ns))
            if (shard.Scalers.FindIndex(record => record.ScalerUid == scalerUid && record.Target.Uid == targetUid) is >= 0 and var at)
                return (shard, at);
        return (null, -1);
    }

    private StateShard ShardFor(ScalerRecord record)
    {
        var bytes = StoredForm.Bytes(record);
        var all = ScaledIn(record.Namespace);
        return all.FirstOrDefault(shard => shard.EstimatedBytes + bytes <= ScaledShardBytes)
            ?? ScaledShard(record.Namespace, ShardState.NextIndex($"scaled.{record.Namespace}", all.Count == 0 ? null : all[^1], IsTaken));
    }

    private StateShard ScaledShard(string ns, int index)
    {
        var shard = Add(new(ShardState.Numbered($"scaled.{ns}", index), LedgerShard.ScaledKind) { Namespace = ns, Index = index });
        if (!_scalers.TryGetValue(ns, out var all))
            _scalers.Add(ns, all = []);
        all.Add(shard);
        // Stored shards arrive by name, 10 before 2.
        all.Sort((first, second) => first.Index.CompareTo(second.Index));
        return shard;
    }

    private void RestoreScalers(LedgerShard stored)
    {
        var shard = ScaledShard(stored.Namespace ?? "", stored.Index);
        shard.Restore(stored.Revision);
        foreach (var record in (stored.Scaled ?? []).Where(record => record.Fields.Count > 0).Select(StoredForm.Read))
        {
            // A record that was moved, but whose removal from here was not written, is in two shards. The later one is the latest decision.
            var (existing, at) = FindScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
            if (existing is not null)
            {
                var older = existing.Scalers[at].Since <= record.Since ? existing : shard;
                older.Touch();
                if (older == shard)
                    continue;
                existing.EstimatedBytes -= StoredForm.Bytes(existing.Scalers[at]);
                existing.Scalers.RemoveAt(at);
            }
            shard.Scalers.Add(record);
            shard.EstimatedBytes += StoredForm.Bytes(record);
        }
    }

    private void ForgetScalers(StateShard shard)
    {
        if (!_scalers.TryGetValue(shard.Namespace!, out var all))
            return;
        all.Remove(shard);
        if (all.Count == 0)
            _scalers.Remove(shard.Namespace!);
    }

    private static bool IsSame(ScalerRecord one, ScalerRecord other) =>
        one with { Fields = other.Fields } == other && one.Fields.SequenceEqual(other.Fields);
}
