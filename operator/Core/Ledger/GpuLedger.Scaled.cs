namespace Bursar.Core.Ledger;

/// <summary>
/// What scalers have changed of other people's objects. It stands here before it is written there, and until what stood there before is
/// back: a scaler that is deleted while nobody leads leaves no cap behind.
/// </summary>
public sealed partial class GpuLedger
{
    /// <summary>A shard takes no new records beyond this; values that are set again need room.</summary>
    private const int ScaledShardBytes = 96 * 1024;

    private readonly Dictionary<string, List<ShardState>> _scaledShards = new(StringComparer.Ordinal);

    /// <summary>
    /// Notes what is about to be written, in place of what stood here of the same scaler and object. False when it is noted so already.
    /// </summary>
    public bool NoteScaled(ScaledRecord record)
    {
        lock (_gate)
        {
            var (shard, at) = FindScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
            if (shard is not null)
            {
                if (IsSame(shard.Scaled![at], record))
                    return false;
                shard.EstimatedBytes += EstimateBytes(record) - EstimateBytes(shard.Scaled[at]);
                shard.Scaled[at] = record;
            }
            else
            {
                shard = ScaledRoom(record);
                shard.Scaled!.Add(record);
                shard.EstimatedBytes += EstimateBytes(record);
            }
            shard.Touch();
            return true;
        }
    }

    /// <summary>Takes a note back: what stood there before stands there again, or the object is gone.</summary>
    public bool DropScaled(string ns, string scalerUid, string targetUid)
    {
        lock (_gate)
        {
            var (shard, at) = FindScaled(ns, scalerUid, targetUid);
            if (shard is null)
                return false;
            shard.EstimatedBytes -= EstimateBytes(shard.Scaled![at]);
            shard.Scaled.RemoveAt(at);
            shard.Touch();
            return true;
        }
    }

    /// <summary>What a scaler has changed of one object; null when nothing.</summary>
    public ScaledRecord? ScaledBy(string ns, string scalerUid, string targetUid)
    {
        lock (_gate)
        {
            var (shard, at) = FindScaled(ns, scalerUid, targetUid);
            return shard?.Scaled![at];
        }
    }

    /// <summary>All that a scaler has changed, oldest first.</summary>
    public IReadOnlyList<ScaledRecord> ScaledBy(string ns, string scalerUid)
    {
        lock (_gate)
            return [.. ScaledIn(ns).SelectMany(shard => shard.Scaled!).Where(one => one.ScalerUid == scalerUid).OrderBy(one => one.Since)];
    }

    /// <summary>What scalers have changed of one object, oldest first.</summary>
    public IReadOnlyList<ScaledRecord> ScaledOn(string ns, string targetUid)
    {
        lock (_gate)
            return [.. ScaledIn(ns).SelectMany(shard => shard.Scaled!).Where(one => one.Target.Uid == targetUid).OrderBy(one => one.Since)];
    }

    /// <summary>All that scalers have changed, oldest first.</summary>
    public IReadOnlyList<ScaledRecord> Scaled()
    {
        lock (_gate)
        {
            return
            [
                .. _scaledShards
                    .Values.SelectMany(all => all)
                    .SelectMany(shard => shard.Scaled!)
                    .OrderBy(one => one.Since)
                    .ThenBy(one => one.Namespace, StringComparer.Ordinal)
                    .ThenBy(one => one.Target.Name, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>
    /// The shards that hold what scalers changed in a namespace, to be written before the act, as far as there is anything to write.
    /// </summary>
    public IReadOnlyList<LedgerShard> DirtyScaledShards(string ns)
    {
        lock (_gate)
            return [.. ScaledIn(ns).Where(shard => shard.IsDirty).Select(shard => ToShard(shard, factsOnly: true))];
    }

    private IReadOnlyList<ShardState> ScaledIn(string ns) => _scaledShards.TryGetValue(ns, out var all) ? all : [];

    private (ShardState? Shard, int At) FindScaled(string ns, string scalerUid, string targetUid)
    {
        foreach (var shard in ScaledIn(ns))
            if (shard.Scaled!.FindIndex(one => one.ScalerUid == scalerUid && one.Target.Uid == targetUid) is >= 0 and var at)
                return (shard, at);
        return (null, -1);
    }

    private ShardState ScaledRoom(ScaledRecord record)
    {
        var bytes = EstimateBytes(record);
        var all = ScaledIn(record.Namespace);
        return all.FirstOrDefault(shard => shard.EstimatedBytes + bytes <= ScaledShardBytes)
            ?? ScaledShard(record.Namespace, Free($"scaled.{record.Namespace}", all.Count == 0 ? null : all[^1]));
    }

    private ShardState ScaledShard(string ns, int index)
    {
        var shard = NewShard(
            new(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"scaled.{ns}-{index}"), LedgerShard.ScaledKind)
            {
                Namespace = ns,
                Index = index,
                Scaled = [],
            }
        );
        if (!_scaledShards.TryGetValue(ns, out var all))
            _scaledShards.Add(ns, all = []);
        all.Add(shard);
        // Stored ones come by name: 10 before 2.
        all.Sort((one, other) => one.Index.CompareTo(other.Index));
        return shard;
    }

    private void RestoreScaled(LedgerShard stored)
    {
        var shard = ScaledShard(stored.Namespace ?? "", stored.Index);
        shard.Restore(stored.Revision);
        foreach (var record in stored.Scaled ?? [])
        {
            // A record that moved while its drop from here was not written yet stands in two: the later one is what was last decided.
            var (twin, at) = FindScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
            if (twin is not null)
            {
                var older = twin.Scaled![at].Since <= record.Since ? twin : shard;
                older.Touch();
                if (older == shard)
                    continue;
                twin.EstimatedBytes -= EstimateBytes(twin.Scaled[at]);
                twin.Scaled.RemoveAt(at);
            }
            shard.Scaled!.Add(record);
            shard.EstimatedBytes += EstimateBytes(record);
        }
    }

    private void ForgetScaled(ShardState state)
    {
        if (!_scaledShards.TryGetValue(state.Namespace!, out var all))
            return;
        all.Remove(state);
        if (all.Count == 0)
            _scaledShards.Remove(state.Namespace!);
    }

    private static int EstimateBytes(ScaledRecord record) =>
        System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(record, LedgerJson.Default.ScaledRecord).Length + 1;

    private static bool IsSame(ScaledRecord one, ScaledRecord other) =>
        one with { Fields = other.Fields } == other && one.Fields.SequenceEqual(other.Fields);
}
