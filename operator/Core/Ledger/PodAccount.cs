using Bursar.Core.Money;
using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

/// <summary>The facts of one pod. Each is a maximum, a minimum or a first value, so order and repetition do not matter.</summary>
internal sealed class PodAccount(string uid)
{
    /// <summary>
    /// An agent closes an interval within minutes. One longer than this comes from a clock that jumped, and is not spread over the years.
    /// </summary>
    private const long MostSplit = 7 * UtcDay.Milliseconds;

    /// <summary>The number of models that an agent reports per pod.</summary>
    private const int MaxCounters = 64;

    public string Uid { get; } = uid;

    public BillShard? Shard { get; set; }

    public string Pod { get; set; } = "";

    public required WorkloadKey Workload { get; set; }

    public WorkloadClass Class { get; set; }

    /// <summary>Null while only an agent's journal has reported the pod.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; set; }

    public required NodeAccount Node { get; set; }

    public string Product { get; set; } = "";

    public int Gpus { get; set; }

    public DeviceShare Share { get; set; } = DeviceShare.Whole;

    public IReadOnlyList<SharedClaim> Claims { get; set; } = [];

    public long From { get; set; }

    public long? FinishedAt { get; set; }

    public long? GoneAt { get; set; }

    /// <summary>Null for a running pod, and for one that was stopped.</summary>
    public bool? Succeeded { get; set; }

    /// <summary>The last time the pod was known to run, if its end was not observed.</summary>
    public long? AliveAt { get; set; }

    /// <summary>
    /// When another pod had its devices, if its own end was not observed. Derived from the facts of the node's pods, never stored.
    /// </summary>
    public long? SupersededAt { get; set; }

    public long FirstObserved { get; set; } = long.MaxValue;

    public long ProductObserved { get; set; } = long.MaxValue;

    /// <summary>The time up to which the pod is billed. Null while it runs.</summary>
    public long? End
    {
        get
        {
            if (!IsEndUnseen)
                return Bound;
            Node.ResolveUnseenEnds();
            return SupersededAt ?? Bound;
        }
    }

    /// <summary>
    /// The end according to this pod's own facts. An agent that saw the pod after it was last known to run saw its end too.
    /// </summary>
    public long? Bound =>
        Labels is null
            ? JournalTo
            : FinishedAt ?? (JournalTo is { } journalEnd && journalEnd > AliveAt && journalEnd < GoneAt ? journalEnd : GoneAt);

    /// <summary>
    /// Whether the end lies between <see cref="AliveAt"/> and <see cref="Bound"/> and no fact of the pod itself determines it. A journal
    /// that reaches the bound does.
    /// </summary>
    public bool IsEndUnseen =>
        Labels is not null && FinishedAt is null && AliveAt is { } alive && alive < Bound && Bound == GoneAt && !(JournalTo >= GoneAt);

    /// <summary>Null for a pod that the API showed before any agent reported it.</summary>
    public SortedSet<string>? Devices { get; set; }

    public long? JournalFrom { get; set; }

    public long? JournalTo { get; set; }

    /// <summary>The time of the last token sample that this process recorded. Not stored.</summary>
    public long? TokensTo { get; private set; }

    /// <summary>The time up to which measurements were recorded; null if unknown.</summary>
    public long? RecordedTo => TokensTo is { } tokens && !(JournalTo >= tokens) ? tokens : JournalTo;

    public JournalCursor? Cursor { get; set; }

    /// <summary>
    /// Measurements by day, in order. The last two days are open. Late measurements of an earlier day count for the older open one.
    /// </summary>
    public List<DayUsage> Days { get; } = [];

    /// <summary>The latest counters of each model. Null for a pod that reported none, as most do.</summary>
    public SortedDictionary<string, TokenCounter>? Counters { get; set; }

    /// <summary>Null for a pod that never queried for checkpoint requests.</summary>
    public PodCheckpoint? Checkpoint { get; set; }

    public long MeasuredMs => Days.Sum(day => day.MeasuredMs);

    public bool Knows(string epoch, long seq) => Cursor is { } cursor && cursor.Epoch == epoch && seq <= cursor.Seq;

    public bool Observe(PodObservation observation, NodeAccount node)
    {
        var changed = false;
        var observed = observation.ObservedAt.ToUnixTimeMilliseconds();
        if (observed < FirstObserved)
        {
            // An earlier observation of the same facts is not worth a write.
            changed =
                FirstObserved == long.MaxValue
                || Pod != observation.Pod
                || Workload != observation.Workload
                || Class != observation.Class
                || Gpus != observation.Gpus
                || Share != observation.Share
                || !Claims.SequenceEqual(observation.Claims)
                || Node != node
                || From != observation.ScheduledAt.ToUnixTimeMilliseconds()
                || !SameLabels(Labels, observation.Labels);
            FirstObserved = observed;
            (Pod, Workload, Class, Node) = (observation.Pod, observation.Workload, observation.Class, node);
            // The pod's part of a device is fixed once its node is known, so that its rate does not depend on its neighbours.
            if (ProductObserved == long.MaxValue)
                (Gpus, Share, Claims) = (observation.Gpus, observation.Share, observation.Claims);
            From = observation.ScheduledAt.ToUnixTimeMilliseconds();
            if (!SameLabels(Labels, observation.Labels))
                Labels = observation.Labels;
        }
        // The earliest observation with a known part counts, otherwise the earliest with a product.
        if (
            observation.Product.Length > 0
            && (
                ProductObserved == long.MaxValue
                || (Share.IsKnown == observation.Share.IsKnown ? observed < ProductObserved : observation.Share.IsKnown)
            )
        )
        {
            ProductObserved = observed;
            changed |=
                Product != observation.Product
                || Share != observation.Share
                || Gpus != observation.Gpus
                || !Claims.SequenceEqual(observation.Claims);
            (Product, Share, Gpus, Claims) = (observation.Product, observation.Share, observation.Gpus, observation.Claims);
        }
        if (observation.FinishedAt?.ToUnixTimeMilliseconds() is { } finished && !(FinishedAt <= finished))
        {
            FinishedAt = finished;
            changed = true;
        }
        if (observation.Succeeded is { } succeeded && Succeeded is null)
        {
            Succeeded = succeeded;
            changed = true;
        }
        if (observation.GoneAt?.ToUnixTimeMilliseconds() is { } gone)
        {
            var alive = (observation.AliveAt ?? observation.GoneAt.Value).ToUnixTimeMilliseconds();
            if (!(GoneAt <= gone) || GoneAt is not null && AliveAt < alive)
            {
                changed |= FinishedAt is null;
                (GoneAt, AliveAt) = (
                    GoneAt is { } known ? Math.Min(known, gone) : gone,
                    GoneAt is null ? alive
                    : AliveAt is { } least ? Math.Max(least, alive)
                    : null
                );
            }
        }
        return changed;
    }

    public void Add(UsageInterval interval, Measuring measuring)
    {
        var from = interval.From.ToUnixTimeMilliseconds();
        var to = interval.To.ToUnixTimeMilliseconds();
        var recordedTo = RecordedTo;
        if (!(JournalFrom <= from))
            JournalFrom = from;
        if (!(JournalTo >= to))
            JournalTo = to;
        if (Labels is null)
        {
            // Until the API shows the pod, its facts are its journal: the time, and the devices it used.
            Devices ??= new(StringComparer.Ordinal);
            if (interval.Device.Length > 0)
                Devices.Add(interval.Device);
            From = JournalFrom.Value;
            Gpus = Devices.Count;
            Share = DeviceShare.Parse(interval.Share);
        }
        var starts = to - from > MostSplit ? [to - 1] : measuring.PartsOf(from, to);
        if (starts.Count == 1)
        {
            Add(interval, starts[0], to - from, interval.BusyMs, interval.EnergyMj ?? 0, interval.MemoryMiBMs ?? 0, measuring, recordedTo);
            return;
        }
        var parts = new long[starts.Count];
        for (var i = 0; i < parts.Length; i++)
            parts[i] = (i + 1 < parts.Length ? starts[i + 1] : to) - starts[i];
        var (busy, energy, memory) = (
            LargestRemainder.Divide(interval.BusyMs, parts),
            LargestRemainder.Divide(interval.EnergyMj ?? 0, parts),
            LargestRemainder.Divide(interval.MemoryMiBMs ?? 0, parts)
        );
        for (var i = 0; i < parts.Length; i++)
            Add(interval, starts[i], parts[i], (long)busy[i], (long)energy[i], (long)memory[i], measuring, recordedTo);
    }

    public void Add(TokenSample sample, Measuring measuring)
    {
        Counters ??= new(StringComparer.Ordinal);
        // Each model has its own counter, even if sums are combined: two models on one counter would look like restarts.
        var name =
            sample.Model.Length <= 253 && (Counters.ContainsKey(sample.Model) || Counters.Count < MaxCounters)
                ? sample.Model
                : DayUsage.OtherModels;
        if (!Counters.TryGetValue(name, out var counter))
            Counters.Add(name, counter = new() { IsNamed = Counters.Count < DayUsage.MaxModels });
        // The growth lies before the sample, so a sample at midnight belongs to the day before, like an interval that ends there.
        var at = sample.At.ToUnixTimeMilliseconds() - 1;
        var day = DayOf(UtcDay.From(at));
        day.Cut(measuring.Cuts, RecordedTo);
        TokensTo = Math.Max(TokensTo ?? long.MinValue, at + 1);
        var grown = counter.Grow(sample);
        day.Add(counter.IsNamed ? name : DayUsage.OtherModels, grown);
        foreach (var since in day.Since.Where(since => since.At <= at))
            since.Tokens += grown.Both;
    }

    public void Add(CheckpointSample sample)
    {
        var previous = Checkpoint ?? new(Pod: Uid, Requested: sample.At, Id: null, Done: null, Step: null);
        // An id was issued by the operator. No other id can be waited for.
        Checkpoint = sample.Id is not { Length: > 0 and <= CheckpointSample.LongestId }
            ? previous
            : previous with
            {
                Id = sample.Id,
                Done = sample.Done ?? sample.At,
                Step = sample.Step,
            };
    }

    private void Add(
        UsageInterval interval,
        long at,
        long length,
        long busy,
        long energy,
        long memory,
        Measuring measuring,
        long? recordedTo
    )
    {
        var day = DayOf(UtcDay.From(at));
        day.Cut(measuring.Cuts, recordedTo);
        // An interval with another reason shows that the pod was there, but nothing was measured, which is not idle time.
        if (interval.Reason is null or UsageInterval.NotRequested)
        {
            day.MeasuredMs += Math.Max(0, length);
            day.BusyMs += Math.Max(0, busy);
            day.MemoryMiBMs += Math.Max(0, memory);
            day.NeededMiB = Math.Max(day.NeededMiB, interval.NeededMiB ?? 0);
        }
        energy = Math.Max(0, energy);
        var co2e = measuring.Co2eOf(energy, at);
        day.EnergyMj += energy;
        day.Co2e += co2e;
        foreach (var since in day.Since.Where(since => since.At <= at))
        {
            since.EnergyMj += energy;
            since.Co2e += co2e;
        }
    }

    private DayUsage DayOf(int day)
    {
        if (Days.Count > 0 && Days[^1].Day == day)
            return Days[^1];
        if (Days.Count > 1 && day < Days[^2].Day)
            return Days[^2];
        var index = Days.FindIndex(usage => usage.Day >= day);
        if (index >= 0 && Days[index].Day == day)
            return Days[index];
        var added = new DayUsage(day);
        Days.Insert(index < 0 ? Days.Count : index, added);
        return added;
    }

    public static bool SameLabels(IReadOnlyDictionary<string, string>? left, IReadOnlyDictionary<string, string>? right)
    {
        if (ReferenceEquals(left, right))
            return true;
        if (left is null || right is null || left.Count != right.Count)
            return false;
        foreach (var (key, value) in left)
            if (!right.TryGetValue(key, out var other) || other != value)
                return false;
        return true;
    }
}

/// <summary>The last values of a model's counters. They restart at zero with the server.</summary>
internal sealed class TokenCounter
{
    /// <summary>Whether its sums have their own name. Those of further models are combined.</summary>
    public bool IsNamed { get; init; } = true;

    public long LastPrompt { get; set; }

    public long LastCached { get; set; }

    public long LastGenerated { get; set; }

    public long LastRequests { get; set; }

    /// <summary>Records the sample and returns the growth since the last one.</summary>
    public TokenSums Grow(TokenSample sample)
    {
        var grown = new TokenSums(
            Grown(LastPrompt, sample.Prompt),
            sample.Cached is { } cached ? Grown(LastCached, cached) : 0,
            Grown(LastGenerated, sample.Generated),
            sample.Requests is { } requests ? Grown(LastRequests, requests) : 0
        );
        (LastPrompt, LastCached, LastGenerated, LastRequests) = (
            sample.Prompt,
            sample.Cached ?? LastCached,
            sample.Generated,
            sample.Requests ?? LastRequests
        );
        return grown;
    }

    private static long Grown(long last, long now) => now >= last ? now - last : Math.Max(0, now);
}
