namespace Bursar.Core.Ledger;

/// <summary>What Bursar remembers of budgets: what it parked for them, what it decided and why, what it has announced.</summary>
public sealed partial class GpuLedger
{
    /// <summary>Decisions kept of one budget, and the bytes of inputs they may take together.</summary>
    public const int KeptDecisions = 32;

    /// <summary>Of hourly windows that is five days; a budget's shard has to hold them.</summary>
    public const int KeptWindows = 120;

    private const int KeptInputs = 48 * 1024;

    /// <summary>What is parked takes this much of the budget's own shard; more goes to parts.</summary>
    private const int OwnParkedBytes = 32 * 1024;

    private const int PartParkedBytes = 96 * 1024;

    /// <summary>What the decider keeps between evaluations, as it wrote it; null when nothing.</summary>
    public string? BudgetMemory(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid)?.Budget!.Memory;
    }

    public bool SetBudgetMemory(string ns, string name, string budgetUid, string? memory)
    {
        lock (_gate)
        {
            if (memory is null && FindBudget(budgetUid) is null)
                return false;
            var shard = BudgetShard(ns, name, budgetUid);
            if (shard.Budget!.Memory == memory)
                return false;
            shard.Budget.Memory = memory;
            shard.Touch();
            return true;
        }
    }

    /// <summary>The window that the budget was counting last; null before its first.</summary>
    public CountedWindow? OpenWindow(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid)?.Budget!.Open;
    }

    /// <summary>The windows of a budget that are over, oldest first.</summary>
    public IReadOnlyList<ClosedWindow> ClosedWindows(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid) is { } shard ? [.. shard.Budget!.Closed] : [];
    }

    /// <summary>Notes which window is counted now, and those that are over since. One that is noted already stands.</summary>
    /// <param name="ns">The budget's namespace.</param>
    /// <param name="name">Its name.</param>
    /// <param name="budgetUid">Its UID.</param>
    /// <param name="open">The window of now.</param>
    /// <param name="closed">Those since the last note, oldest first.</param>
    /// <param name="keptSince">Windows that ended before are forgotten.</param>
    public bool NoteWindow(
        string ns,
        string name,
        string budgetUid,
        CountedWindow open,
        IReadOnlyList<ClosedWindow> closed,
        DateTimeOffset keptSince
    )
    {
        lock (_gate)
        {
            var shard = BudgetShard(ns, name, budgetUid);
            var budget = shard.Budget!;
            var news = closed.Where(one => !budget.Closed.Exists(known => known.Key == one.Key && known.Start == one.Start)).ToArray();
            var old = budget.Closed.RemoveAll(one => one.End < keptSince);
            if (budget.Open == open && news.Length == 0 && old == 0)
                return false;
            budget.Open = open;
            budget.Closed.AddRange(news);
            if (budget.Closed.Count > KeptWindows)
                budget.Closed.RemoveRange(0, budget.Closed.Count - KeptWindows);
            shard.Touch();
            return true;
        }
    }

    /// <summary>
    /// Notes a field that is about to be changed, for one budget. Its first note of a field stands: the original in it is what must come
    /// back. Where another budget has noted the field already, what stands there now is that budget's doing: its original is taken over.
    /// </summary>
    public bool Park(ParkedRecord record)
    {
        lock (_gate)
        {
            if (FindBudget(record.BudgetUid) is { } known && ParkedIn(known).Any(one => IsOf(one, record.Uid, record.Field)))
                return false;
            if (OthersOn(record.BudgetUid, record.Uid, record.Field).FirstOrDefault() is { } earlier)
                record = record with { Original = earlier.Original };
            Note(record, RoomFor(record, BudgetShard(record.Namespace, record.Budget, record.BudgetUid)));
            return true;
        }
    }

    /// <summary>
    /// Notes a field of work of which the budget may have a note already: that one goes, whatever its field, and this one takes its place.
    /// </summary>
    public void Repark(ParkedRecord record)
    {
        lock (_gate)
        {
            var place = FindBudget(record.BudgetUid) is { } budget
                ? ShardsOf(budget).FirstOrDefault(shard => shard.Parked.Exists(one => one.Uid == record.Uid))
                : null;
            // In the same shard: a death between two writes must not leave it in both or in none.
            if (place is null)
            {
                Park(record);
                return;
            }
            Drop(place, one => one.Uid == record.Uid);
            if (OthersOn(record.BudgetUid, record.Uid, record.Field).FirstOrDefault() is { } earlier)
                record = record with { Original = earlier.Original };
            Note(record, place);
        }
    }

    /// <summary>Takes a budget's note back: the field holds its original again, its object is gone, or others hold it.</summary>
    public bool Unpark(string budgetUid, string objectUid, string field)
    {
        lock (_gate)
        {
            return FindBudget(budgetUid) is { } budget && ShardsOf(budget).Any(shard => Drop(shard, one => IsOf(one, objectUid, field)));
        }
    }

    /// <summary>
    /// Takes a budget's note back if another budget has one of the same field. Else false, and the note stays: whoever holds the last one
    /// writes the field back first. Asked and done in one, so that of two that leave at once one is the last.
    /// </summary>
    public bool LeaveToOthers(string budgetUid, string objectUid, string field)
    {
        lock (_gate)
            return OthersOn(budgetUid, objectUid, field).Any() && Unpark(budgetUid, objectUid, field);
    }

    /// <summary>What budgets other than this one hold in its namespace, by the UID of the work; oldest first.</summary>
    public ILookup<string, ParkedRecord> HeldByOthers(string ns, string budgetUid)
    {
        lock (_gate)
        {
            return _shards
                .Values.Where(state => state.Budget is { } budget && state.Namespace == ns && budget.Uid != budgetUid)
                .SelectMany(ParkedIn)
                .OrderBy(one => one.Since)
                .ThenBy(one => one.Budget, StringComparer.Ordinal)
                .ThenBy(one => one.BudgetUid, StringComparer.Ordinal)
                .ToLookup(one => one.Uid, StringComparer.Ordinal);
        }
    }

    /// <summary>All that is parked, oldest first.</summary>
    public IReadOnlyList<ParkedRecord> Parked()
    {
        lock (_gate)
        {
            return
            [
                .. _shards
                    .Values.Where(state => state.Budget is not null)
                    .SelectMany(ParkedIn)
                    .OrderBy(one => one.Since)
                    .ThenBy(one => one.Namespace, StringComparer.Ordinal)
                    .ThenBy(one => one.Name, StringComparer.Ordinal)
                    .ThenBy(one => one.Field, StringComparer.Ordinal),
            ];
        }
    }

    private IEnumerable<ParkedRecord> OthersOn(string budgetUid, string objectUid, string field) =>
        _shards
            .Values.Where(state => state.Budget is { } budget && budget.Uid != budgetUid)
            .SelectMany(ParkedIn)
            .Where(one => IsOf(one, objectUid, field))
            .OrderBy(one => one.Since);

    private static IEnumerable<ShardState> ShardsOf(ShardState budget) => budget.Budget!.Parts.Prepend(budget);

    private static IEnumerable<ParkedRecord> ParkedIn(ShardState budget) => ShardsOf(budget).SelectMany(shard => shard.Parked);

    private ShardState RoomFor(ParkedRecord record, ShardState budget)
    {
        var bytes = EstimateBytes(record);
        return ShardsOf(budget)
            .FirstOrDefault(shard => shard.EstimatedBytes + bytes <= (shard == budget ? OwnParkedBytes : PartParkedBytes))
            ?? NewPart(budget);
    }

    private ShardState NewPart(ShardState budget)
    {
        var index = Free($"{budget.Namespace}.{budget.Budget!.Uid}", budget.Budget.Parts.LastOrDefault() ?? budget);
        return BudgetPart(budget, index);
    }

    private ShardState BudgetPart(ShardState budget, int index)
    {
        var part = NewShard(
            new(PartName(budget.Namespace!, budget.Budget!.Uid, index), LedgerShard.BudgetKind)
            {
                Namespace = budget.Namespace,
                Index = index,
                PartOf = budget,
            }
        );
        budget.Budget.Parts.Add(part);
        // Stored ones come by name: 10 before 2.
        budget.Budget.Parts.Sort((one, other) => one.Index.CompareTo(other.Index));
        return part;
    }

    private static string PartName(string ns, string budgetUid, int index) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{ns}.{budgetUid}-{index}");

    private static void Note(ParkedRecord record, ShardState shard)
    {
        shard.Parked.Add(record);
        shard.EstimatedBytes += EstimateBytes(record);
        shard.Touch();
    }

    private static bool Drop(ShardState shard, Predicate<ParkedRecord> which)
    {
        var dropped = shard.Parked.FindAll(which);
        if (dropped.Count == 0)
            return false;
        shard.Parked.RemoveAll(which);
        shard.EstimatedBytes -= dropped.Sum(EstimateBytes);
        shard.Touch();
        return true;
    }

    /// <summary>As JSON, with room for the causes that come with being undone.</summary>
    private static int EstimateBytes(ParkedRecord record) =>
        System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(record with { Cause = "" }, LedgerJson.Default.ParkedRecord).Length
        + record.Cause.Length * 2;

    private static bool IsOf(ParkedRecord record, string objectUid, string field) => record.Uid == objectUid && record.Field == field;

    public IReadOnlyList<ParkedRecord> ParkedBy(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid) is { } shard ? [.. ParkedIn(shard)] : [];
    }

    public void AddDecision(string ns, string name, string budgetUid, DecisionRecord decision)
    {
        lock (_gate)
        {
            var shard = BudgetShard(ns, name, budgetUid);
            var kept = shard.Budget!.Decisions;
            if (kept.Contains(decision))
                return;
            kept.Add(decision);
            while (kept.Count > KeptDecisions || kept.Count > 1 && kept.Sum(one => one.Inputs.Length + one.Text.Length) > KeptInputs)
                kept.RemoveAt(0);
            // One that is too long for any object is kept without what it was taken from.
            if (kept is [{ Inputs.Length: > KeptInputs } only])
                kept[0] = only with { Inputs = "" };
            shard.Touch();
        }
    }

    /// <summary>The last decisions of a budget, oldest first.</summary>
    public IReadOnlyList<DecisionRecord> Decisions(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid) is { } shard ? [.. shard.Budget!.Decisions] : [];
    }

    /// <summary>Budgets of which anything is remembered, existing or not.</summary>
    public IReadOnlyList<(string Namespace, string Name, string Uid)> RememberedBudgets()
    {
        lock (_gate)
            return
            [
                .. _shards
                    .Values.Where(state => state.Budget is not null && !state.IsEmpty)
                    .Select(state => (state.Namespace!, state.Budget!.Name, state.Budget.Uid)),
            ];
    }

    /// <summary>The budget is no more: what was announced and decided goes, what is parked stays until it is given back.</summary>
    public bool ForgetBudget(string budgetUid)
    {
        lock (_gate)
        {
            if (
                FindBudget(budgetUid) is not { } shard
                || shard.Budget!.Memory is null && shard.Budget.Decisions.Count == 0 && shard.Budget.Open is null
            )
                return false;
            shard.Budget.Memory = null;
            shard.Budget.Decisions.Clear();
            shard.Budget.Open = null;
            shard.Budget.Closed.Clear();
            shard.Touch();
            return true;
        }
    }
}
