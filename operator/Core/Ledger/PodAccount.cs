using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

/// <summary>The facts of one pod. Each is a maximum, a minimum or a first, so that order and repetition do not matter.</summary>
internal sealed class PodAccount(string uid)
{
    /// <summary>Models come from strangers' metrics; further ones are summed under <see cref="OtherModels"/>.</summary>
    public const int MaxModels = 8;

    public const string OtherModels = "other";

    public string Uid { get; } = uid;

    public ShardState? Shard { get; set; }

    public string Pod { get; set; } = "";

    public required WorkloadKey Workload { get; set; }

    public WorkClass Class { get; set; }

    /// <summary>Null while only an agent's journal tells of the pod.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; set; }

    public required NodeAccount Node { get; set; }

    public string Product { get; set; } = "";

    public int Gpus { get; set; }

    public DeviceShare Share { get; set; } = DeviceShare.Whole;

    public long From { get; set; }

    public long? FinishedAt { get; set; }

    public long? GoneAt { get; set; }

    public long FirstObserved { get; set; } = long.MaxValue;

    public long ProductObserved { get; set; } = long.MaxValue;

    public long? End => Labels is null ? JournalTo : FinishedAt ?? GoneAt;

    public SortedSet<string> Devices { get; } = new(StringComparer.Ordinal);

    public long? JournalFrom { get; set; }

    public long? JournalTo { get; set; }

    public JournalCursor? Cursor { get; set; }

    public long MeasuredMs { get; set; }

    public long BusyMs { get; set; }

    public long EnergyMj { get; set; }

    public SortedDictionary<string, TokenCounter> Tokens { get; } = new(StringComparer.Ordinal);

    public bool Knows(string epoch, long seq) => Cursor is { } cursor && cursor.Epoch == epoch && seq <= cursor.Seq;

    public bool Observe(PodObservation seen, NodeAccount node)
    {
        var changed = false;
        var observed = seen.ObservedAt.ToUnixTimeMilliseconds();
        if (observed < FirstObserved)
        {
            // An earlier sight of the same facts changes no fact, and is not worth a write.
            changed = FirstObserved == long.MaxValue || Pod != seen.Pod || Workload != seen.Workload || Class != seen.Class || Gpus != seen.Gpus || Share != seen.Share
                || Node != node || From != seen.ScheduledAt.ToUnixTimeMilliseconds() || !SameLabels(Labels, seen.Labels);
            FirstObserved = observed;
            (Pod, Workload, Class, Node) = (seen.Pod, seen.Workload, seen.Class, node);
            // What part of a device it holds is fixed once its node has told: a job's rate does not hang on its neighbours.
            if (ProductObserved == long.MaxValue) (Gpus, Share) = (seen.Gpus, seen.Share);
            From = seen.ScheduledAt.ToUnixTimeMilliseconds();
            if (!SameLabels(Labels, seen.Labels)) Labels = new Dictionary<string, string>(seen.Labels);
        }
        // The earliest word that says what part it is; a word that says so goes before one that does not.
        if (seen.Product.Length > 0 && (ProductObserved == long.MaxValue || (Share.IsKnown == seen.Share.IsKnown ? observed < ProductObserved : seen.Share.IsKnown)))
        {
            ProductObserved = observed;
            changed |= Product != seen.Product || Share != seen.Share || Gpus != seen.Gpus;
            (Product, Share, Gpus) = (seen.Product, seen.Share, seen.Gpus);
        }
        if (seen.FinishedAt?.ToUnixTimeMilliseconds() is { } finished && !(FinishedAt <= finished))
        {
            FinishedAt = finished;
            changed = true;
        }
        if (seen.GoneAt?.ToUnixTimeMilliseconds() is { } gone && !(GoneAt <= gone))
        {
            changed |= FinishedAt is null;
            GoneAt = gone;
        }
        return changed;
    }

    public void Add(UsageInterval interval)
    {
        var from = interval.From.ToUnixTimeMilliseconds();
        var to = interval.To.ToUnixTimeMilliseconds();
        if (!(JournalFrom <= from)) JournalFrom = from;
        if (!(JournalTo >= to)) JournalTo = to;
        if (Labels is null)
        {
            // Until the API shows the pod, the journal is all there is: its time, and the devices it touched.
            if (interval.Device.Length > 0) Devices.Add(interval.Device);
            From = JournalFrom.Value;
            Gpus = Devices.Count;
        }
        // With a reason it proves that the pod was there, and nobody measured what the device did: that is not idle time.
        if (interval.Reason is null or UsageInterval.NotRequested)
        {
            MeasuredMs += Math.Max(0, to - from);
            BusyMs += Math.Max(0, interval.BusyMs);
        }
        EnergyMj += Math.Max(0, interval.EnergyMj ?? 0);
    }

    public void Add(TokenSample sample)
    {
        var model = Tokens.ContainsKey(sample.Model) || Tokens.Count < MaxModels && sample.Model.Length <= 253 ? sample.Model : OtherModels;
        if (!Tokens.TryGetValue(model, out var counter)) Tokens.Add(model, counter = new());
        counter.Add(sample);
    }

    public static bool SameLabels(IReadOnlyDictionary<string, string>? left, IReadOnlyDictionary<string, string>? right)
    {
        if (ReferenceEquals(left, right)) return true;
        if (left is null || right is null || left.Count != right.Count) return false;
        foreach (var (key, value) in left)
            if (!right.TryGetValue(key, out var other) || other != value) return false;
        return true;
    }
}

/// <summary>Sums of counters that begin at zero again when a server restarts.</summary>
internal sealed class TokenCounter
{
    public long Prompt { get; set; }

    public long Cached { get; set; }

    public long Generated { get; set; }

    public long LastPrompt { get; set; }

    public long LastCached { get; set; }

    public long LastGenerated { get; set; }

    public void Add(TokenSample sample)
    {
        Prompt += Grown(LastPrompt, sample.Prompt);
        Generated += Grown(LastGenerated, sample.Generated);
        (LastPrompt, LastGenerated) = (sample.Prompt, sample.Generated);
        if (sample.Cached is not { } cached) return;
        Cached += Grown(LastCached, cached);
        LastCached = cached;
    }

    private static long Grown(long last, long now) => now >= last ? now - last : Math.Max(0, now);
}
