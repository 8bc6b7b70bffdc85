using Bursar.Core.Money;
using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

/// <summary>The facts of one pod. Each is a maximum, a minimum or a first, so that order and repetition do not matter.</summary>
internal sealed class PodAccount(string uid)
{
    /// <summary>
    /// An agent closes an interval within minutes; one as long as this tells of a clock that jumped, and is not spread over the years.
    /// </summary>
    private const long MostSplit = 7 * UtcDay.Milliseconds;

    /// <summary>As many as an agent tells of one pod.</summary>
    private const int MaxCounters = 64;

    public string Uid { get; } = uid;

    public BillShard? Shard { get; set; }

    public string Pod { get; set; } = "";

    public required WorkloadKey Workload { get; set; }

    public WorkloadClass Class { get; set; }

    /// <summary>Null while only an agent's journal tells of the pod.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; set; }

    public required NodeAccount Node { get; set; }

    public string Product { get; set; } = "";

    public int Gpus { get; set; }

    public DeviceShare Share { get; set; } = DeviceShare.Whole;

    public IReadOnlyList<SharedClaim> Claims { get; set; } = [];

    public long From { get; set; }

    public long? FinishedAt { get; set; }

    public long? GoneAt { get; set; }

    /// <summary>Null for a pod that was stopped.</summary>
    public bool? Succeeded { get; set; }

    /// <summary>Until when at least the pod ran, where its end was not seen.</summary>
    public long? AliveAt { get; set; }

    /// <summary>
    /// When another pod had its devices, where its own end was not seen. Derived from the facts of the node's pods, never stored.
    /// </summary>
    public long? YieldsAt { get; set; }

    public long FirstObserved { get; set; } = long.MaxValue;

    public long ProductObserved { get; set; } = long.MaxValue;

    /// <summary>Until when the pod is billed; null while it runs.</summary>
    public long? End
    {
        get
        {
            if (!IsEndUnseen)
                return Bound;
            Node.ResolveUnseenEnds();
            return YieldsAt ?? Bound;
        }
    }

    /// <summary>The end by this pod's own facts alone. An agent that saw the pod after it was last known to run saw its end too.</summary>
    public long? Bound =>
        Labels is null ? JournalTo : FinishedAt ?? (JournalTo is { } told && told > AliveAt && told < GoneAt ? told : GoneAt);

    /// <summary>
    /// The end lies between <see cref="AliveAt"/> and <see cref="Bound"/>, and no fact of the pod itself says where. An agent that saw
    /// the pod up to its bound says so.
    /// </summary>
    public bool IsEndUnseen =>
        Labels is not null && FinishedAt is null && AliveAt is { } alive && alive < Bound && Bound == GoneAt && !(JournalTo >= GoneAt);

    /// <summary>Null for a pod that the API told of before any agent did.</summary>
    public SortedSet<string>? Devices { get; set; }

    public long? JournalFrom { get; set; }

    public long? JournalTo { get; set; }

    public JournalCursor? Cursor { get; set; }

    /// <summary>
    /// What was measured, by day and in order. The last two are open; those before are over, and what comes late for one of them counts
    /// into the older open one.
    /// </summary>
    public List<DayUsage> Days { get; } = [];

    /// <summary>The latest counters of each model; null for a pod that reported none, as most pods do.</summary>
    public SortedDictionary<string, TokenCounter>? Counters { get; set; }

    /// <summary>Null for a pod that never asked whether a checkpoint is wanted.</summary>
    public PodCheckpoint? Checkpoint { get; set; }

    public long MeasuredMs => Days.Sum(day => day.MeasuredMs);

    public bool Knows(string epoch, long seq) => Cursor is { } cursor && cursor.Epoch == epoch && seq <= cursor.Seq;

    public bool Observe(PodObservation seen, NodeAccount node)
    {
        var changed = false;
        var observed = seen.ObservedAt.ToUnixTimeMilliseconds();
        if (observed < FirstObserved)
        {
            // An earlier sight of the same facts changes no fact, and is not worth a write.
            changed =
                FirstObserved == long.MaxValue
                || Pod != seen.Pod
                || Workload != seen.Workload
                || Class != seen.Class
                || Gpus != seen.Gpus
                || Share != seen.Share
                || !Claims.SequenceEqual(seen.Claims)
                || Node != node
                || From != seen.ScheduledAt.ToUnixTimeMilliseconds()
                || !SameLabels(Labels, seen.Labels);
            FirstObserved = observed;
            (Pod, Workload, Class, Node) = (seen.Pod, seen.Workload, seen.Class, node);
            // What part of a device it holds is fixed once its node has told: a job's rate does not hang on its neighbours.
            if (ProductObserved == long.MaxValue)
                (Gpus, Share, Claims) = (seen.Gpus, seen.Share, seen.Claims);
            From = seen.ScheduledAt.ToUnixTimeMilliseconds();
            if (!SameLabels(Labels, seen.Labels))
                Labels = seen.Labels;
        }
        // The earliest word that says what part it is; a word that says so goes before one that does not.
        if (
            seen.Product.Length > 0
            && (ProductObserved == long.MaxValue || (Share.IsKnown == seen.Share.IsKnown ? observed < ProductObserved : seen.Share.IsKnown))
        )
        {
            ProductObserved = observed;
            changed |= Product != seen.Product || Share != seen.Share || Gpus != seen.Gpus || !Claims.SequenceEqual(seen.Claims);
            (Product, Share, Gpus, Claims) = (seen.Product, seen.Share, seen.Gpus, seen.Claims);
        }
        if (seen.FinishedAt?.ToUnixTimeMilliseconds() is { } finished && !(FinishedAt <= finished))
        {
            FinishedAt = finished;
            changed = true;
        }
        if (seen.Succeeded is { } succeeded && Succeeded is null)
        {
            Succeeded = succeeded;
            changed = true;
        }
        if (seen.GoneAt?.ToUnixTimeMilliseconds() is { } gone)
        {
            var alive = (seen.AliveAt ?? seen.GoneAt.Value).ToUnixTimeMilliseconds();
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

    public void Add(UsageInterval interval)
    {
        var from = interval.From.ToUnixTimeMilliseconds();
        var to = interval.To.ToUnixTimeMilliseconds();
        if (!(JournalFrom <= from))
            JournalFrom = from;
        if (!(JournalTo >= to))
            JournalTo = to;
        if (Labels is null)
        {
            // Until the API shows the pod, the journal is all there is: its time, and the devices it touched.
            Devices ??= new(StringComparer.Ordinal);
            if (interval.Device.Length > 0)
                Devices.Add(interval.Device);
            From = JournalFrom.Value;
            Gpus = Devices.Count;
            Share = DeviceShare.Parse(interval.Share);
        }
        var day = UtcDay.Of(from);
        if (to <= UtcDay.Start(day + 1) || to - from > MostSplit)
        {
            Add(
                interval,
                DayOf(to <= UtcDay.Start(day + 1) ? day : UtcDay.Of(to - 1)),
                to - from,
                interval.BusyMs,
                interval.EnergyMj ?? 0,
                interval.MemoryMiBMs ?? 0
            );
            return;
        }
        // Over a midnight each day has its part.
        var lengths = new List<long>();
        for (var start = from; start < to; start = UtcDay.Start(day + lengths.Count))
            lengths.Add(Math.Min(to, UtcDay.Start(day + lengths.Count + 1)) - start);
        var parts = lengths.ToArray();
        var (busy, energy, memory) = (
            LargestRemainder.Divide(interval.BusyMs, parts),
            LargestRemainder.Divide(interval.EnergyMj ?? 0, parts),
            LargestRemainder.Divide(interval.MemoryMiBMs ?? 0, parts)
        );
        for (var i = 0; i < parts.Length; i++)
            Add(interval, DayOf(day + i), parts[i], (long)busy[i], (long)energy[i], (long)memory[i]);
    }

    public void Add(TokenSample sample)
    {
        Counters ??= new(StringComparer.Ordinal);
        // Each model's counters are its own, also where its sums go together with others': two that take turns on one would look like
        // restarts.
        var name =
            sample.Model.Length <= 253 && (Counters.ContainsKey(sample.Model) || Counters.Count < MaxCounters)
                ? sample.Model
                : DayUsage.OtherModels;
        if (!Counters.TryGetValue(name, out var counter))
            Counters.Add(name, counter = new() { IsNamed = Counters.Count < DayUsage.MaxModels });
        // The growth lies before the sample, so a sample at midnight belongs to the day before, as an interval that ends there does.
        DayOf(UtcDay.Of(sample.At.ToUnixTimeMilliseconds() - 1)).Add(counter.IsNamed ? name : DayUsage.OtherModels, counter.Grow(sample));
    }

    public void Add(CheckpointSample sample)
    {
        var before = Checkpoint ?? new(Pod: Uid, Requested: sample.At, Id: null, Done: null, Step: null);
        // An id is the operator's own word come back; another one cannot be waited for.
        Checkpoint = sample.Id is not { Length: > 0 and <= CheckpointSample.LongestId }
            ? before
            : before with
            {
                Id = sample.Id,
                Done = sample.Done ?? sample.At,
                Step = sample.Step,
            };
    }

    private static void Add(UsageInterval interval, DayUsage day, long length, long busy, long energy, long memory)
    {
        // With a reason it proves that the pod was there, and nobody measured what the device did: that is not idle time.
        if (interval.Reason is null or UsageInterval.NotRequested)
        {
            day.MeasuredMs += Math.Max(0, length);
            day.BusyMs += Math.Max(0, busy);
            day.MemoryMiBMs += Math.Max(0, memory);
            day.NeededMiB = Math.Max(day.NeededMiB, interval.NeededMiB ?? 0);
        }
        day.EnergyMj += Math.Max(0, energy);
    }

    private DayUsage DayOf(int day)
    {
        if (Days.Count > 0 && Days[^1].Day == day)
            return Days[^1];
        if (Days.Count > 1 && day < Days[^2].Day)
            return Days[^2];
        var index = Days.FindIndex(one => one.Day >= day);
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

/// <summary>Where a model's counters stood last; they begin at zero again when a server restarts.</summary>
internal sealed class TokenCounter
{
    /// <summary>Its sums stand under its own name; those of further models are together.</summary>
    public bool IsNamed { get; init; } = true;

    public long LastPrompt { get; set; }

    public long LastCached { get; set; }

    public long LastGenerated { get; set; }

    public long LastRequests { get; set; }

    /// <summary>By how much they grew.</summary>
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
