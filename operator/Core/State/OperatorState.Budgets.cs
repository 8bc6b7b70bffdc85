using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.State;

/// <summary>The state of budgets: their suspensions, decisions and announcements.</summary>
public sealed partial class OperatorState
{
    /// <summary>The number of decisions that are kept of one budget. <see cref="KeptInputs"/> bounds their inputs.</summary>
    public const int KeptDecisions = 32;

    /// <summary>The number of closed windows that are kept. Hourly windows of five days fit a budget's shard.</summary>
    public const int KeptWindows = 120;

    private const int KeptInputs = 48 * 1024;

    /// <summary>Suspensions take this much of the budget's own shard. More go to parts.</summary>
    private const int OwnSuspensionBytes = 32 * 1024;

    private const int PartSuspensionBytes = 96 * 1024;

    /// <summary>The first part of a shard's name, where GpuBudgets have their namespace.</summary>
    private const string ClusterBudgets = "cluster";

    /// <summary>Returns the memory of a budget, or an empty one.</summary>
    public BudgetMemory BudgetMemory(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid)?.Budget!.Memory ?? new();
    }

    public bool SetBudgetMemory(string ns, string name, string budgetUid, BudgetMemory memory)
    {
        lock (_gate)
        {
            var shard = BudgetShard(ns, name, budgetUid);
            // Most passes change nothing and share all lists and dictionaries, which have no value equality. Others are compared as stored.
            if (
                shard.Budget!.Memory is { } known
                && (
                    known == memory
                    || JsonSerializer
                        .SerializeToUtf8Bytes(known, DecisionJson.Default.BudgetMemory)
                        .AsSpan()
                        .SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(memory, DecisionJson.Default.BudgetMemory))
                )
            )
                return false;
            shard.Budget.Memory = memory;
            shard.Touch();
            return true;
        }
    }

    /// <summary>Returns the window that the budget counted last. Null before its first.</summary>
    public CountedWindow? OpenWindow(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid)?.Budget!.Open;
    }

    /// <summary>Returns the windows of a budget that are over, oldest first.</summary>
    public IReadOnlyList<ClosedWindow> ClosedWindows(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid) is { } shard ? [.. shard.Budget!.Closed] : [];
    }

    /// <summary>Records the current window and those that ended since. A recorded window is not changed.</summary>
    /// <param name="open">The current window.</param>
    /// <param name="closed">The windows that ended since the last call, oldest first.</param>
    /// <param name="keptSince">Windows that ended before are dropped.</param>
    public bool RecordWindow(
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
            var news = closed
                .Where(window => !budget.Closed.Exists(known => known.Key == window.Key && known.Start == window.Start))
                .ToArray();
            var old = budget.Closed.RemoveAll(window => window.End < keptSince);
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

    /// <summary>Returns the grants of a budget in this window and the last ones of earlier windows, oldest first.</summary>
    public IReadOnlyList<GrantRecord> Grants(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid)?.Budget!.Grants ?? [];
    }

    /// <summary>Records the grants of a budget, and the part of the current window's limit that they add.</summary>
    public bool RecordGrants(string ns, string name, string budgetUid, IReadOnlyList<GrantRecord> grants, Amount inForce)
    {
        lock (_gate)
        {
            if (FindBudget(budgetUid) is null && grants.Count == 0)
                return false;
            var shard = BudgetShard(ns, name, budgetUid);
            var budget = shard.Budget!;
            var open =
                budget.Open is { } window && window.Granted != inForce
                    ? window with
                    {
                        Limit = window.Limit - window.Granted + inForce,
                        Granted = inForce,
                    }
                    : budget.Open;
            if (budget.Grants.SequenceEqual(grants) && budget.Open == open)
                return false;
            (budget.Grants, budget.Open) = (grants, open);
            shard.Touch();
            return true;
        }
    }

    /// <summary>Returns what a budget borrowed, in all its windows that are kept, oldest first.</summary>
    public IReadOnlyList<LoanRecord> Loans(string borrowerUid)
    {
        lock (_gate)
            return FindBudget(borrowerUid)?.Budget!.Loans ?? [];
    }

    /// <summary>Returns the loans in which a budget is the borrower or the lender, of windows that begin in a period.</summary>
    public IReadOnlyList<LoanRecord> LoansIn(string budgetUid, DateTimeOffset from, DateTimeOffset to)
    {
        lock (_gate)
            return
            [
                .. (FindBudget(budgetUid)?.Budget!.Loans ?? [])
                    .Concat(BorrowersOf(budgetUid).SelectMany(shard => shard.Budget!.Loans).Where(loan => loan.LenderUid == budgetUid))
                    .Where(loan => loan.Start >= from && loan.Start < to)
                    .OrderBy(loan => loan.Lender, StringComparer.Ordinal)
                    .ThenBy(loan => loan.Borrower, StringComparer.Ordinal),
            ];
    }

    /// <summary>Returns the UIDs of the budgets that borrowed from a budget in the last window that they have begun.</summary>
    public IReadOnlyList<string> BorrowersFrom(string lenderUid)
    {
        lock (_gate)
            return
            [
                .. BorrowersOf(lenderUid)
                    .Where(shard =>
                        shard.Budget!.Loans.Last(loan => loan.LenderUid == lenderUid).Start is var last
                        && shard.Budget.Loans.Any(loan => loan.LenderUid == lenderUid && loan.Start == last && loan.Lent > Amount.Zero)
                    )
                    .Select(shard => shard.Budget!.Uid)
                    .Order(StringComparer.Ordinal),
            ];
    }

    /// <summary>Replaces the loans of a borrower. One write of its object changes the limits of both sides.</summary>
    public bool RecordLoans(string ns, string name, string budgetUid, IReadOnlyList<LoanRecord> loans)
    {
        lock (_gate)
        {
            if (FindBudget(budgetUid) is null && loans.Count == 0)
                return false;
            var shard = BudgetShard(ns, name, budgetUid);
            if (shard.Budget!.Loans.SequenceEqual(loans))
                return false;
            SetLoans(shard, loans);
            shard.Touch();
            return true;
        }
    }

    private void SetLoans(StateShard shard, IReadOnlyList<LoanRecord> loans)
    {
        foreach (var loan in shard.Budget!.Loans)
            if (_borrowersByLender.TryGetValue(loan.LenderUid, out var borrowers) && borrowers.Remove(shard) && borrowers.Count == 0)
                _borrowersByLender.Remove(loan.LenderUid);
        shard.Budget.Loans = loans;
        foreach (var loan in loans)
        {
            if (!_borrowersByLender.TryGetValue(loan.LenderUid, out var borrowers))
                _borrowersByLender.Add(loan.LenderUid, borrowers = []);
            borrowers.Add(shard);
        }
    }

    private IEnumerable<StateShard> BorrowersOf(string lenderUid) => _borrowersByLender.GetValueOrDefault(lenderUid) ?? [];

    /// <summary>Returns the spending of a budget by day or hour. Null: no whole one is over yet.</summary>
    public SpendingHistory? Spending(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid)?.Budget!.Spending;
    }

    /// <summary>Replaces the spending of a budget by day or hour.</summary>
    public void RecordSpending(string ns, string name, string budgetUid, SpendingHistory history)
    {
        lock (_gate)
        {
            var shard = BudgetShard(ns, name, budgetUid);
            shard.Budget!.Spending = history;
            shard.Touch();
        }
    }

    /// <summary>
    /// Records a suspension before it is written. The first record of a field stays, because its original value is the one to restore. If another
    /// budget has suspended the workload already, that one's original value is taken over.
    /// </summary>
    public bool RecordSuspension(SuspensionRecord record)
    {
        lock (_gate)
        {
            if (
                FindBudget(record.BudgetUid) is { } known
                && SuspensionsIn(known).Any(suspension => IsOf(suspension, record.Uid, record.Field.Pointer))
            )
                return false;
            AddRecord(
                WithFirstOriginal(record),
                ShardFor(record, BudgetShard(record.IsClusterBudget ? "" : record.Namespace, record.Budget, record.BudgetUid))
            );
            return true;
        }
    }

    /// <summary>Records a suspension in place of the budget's earlier record of the workload, even for another field.</summary>
    public void ReplaceSuspension(SuspensionRecord record)
    {
        lock (_gate)
        {
            var place = FindBudget(record.BudgetUid) is { } budget
                ? ShardsOf(budget).FirstOrDefault(shard => shard.Suspensions.Exists(suspension => suspension.Uid == record.Uid))
                : null;
            // Both are in the same shard, so that a crash between two writes leaves exactly one of them.
            if (place is null)
            {
                RecordSuspension(record);
                return;
            }
            Drop(place, suspension => suspension.Uid == record.Uid);
            AddRecord(WithFirstOriginal(record), place);
        }
    }

    /// <summary>
    /// Drops a budget's record. The field has its original value again, its object is gone, or other budgets have suspended it.
    /// </summary>
    public bool DropSuspension(string budgetUid, string objectUid, string pointer)
    {
        lock (_gate)
        {
            return FindBudget(budgetUid) is { } budget
                && ShardsOf(budget).Any(shard => Drop(shard, suspension => IsOf(suspension, objectUid, pointer)));
        }
    }

    /// <summary>
    /// Drops a budget's record if another budget has one of the same field. Otherwise returns false and keeps it: the budget with the last record
    /// restores the field first. The check and the removal are one step, so of two budgets that leave at once one is the last.
    /// </summary>
    public bool LeaveToOthers(string budgetUid, string objectUid, string pointer)
    {
        lock (_gate)
            return OthersOn(budgetUid, objectUid, pointer).Any() && DropSuspension(budgetUid, objectUid, pointer);
    }

    /// <summary>Returns the suspensions by other budgets in these namespaces, by workload UID, oldest first.</summary>
    public ILookup<string, SuspensionRecord> SuspendedByOthers(IReadOnlyCollection<string> namespaces, string budgetUid)
    {
        var covered = namespaces.ToHashSet(StringComparer.Ordinal);
        lock (_gate)
        {
            return covered
                .Append("")
                .SelectMany(ns => _budgetsByNamespace.GetValueOrDefault(ns) ?? [])
                .Where(shard => shard.Budget!.Uid != budgetUid)
                .SelectMany(SuspensionsIn)
                .Where(suspension => covered.Contains(suspension.Namespace))
                .OrderBy(suspension => suspension.Since)
                .ThenBy(suspension => suspension.Budget, StringComparer.Ordinal)
                .ThenBy(suspension => suspension.BudgetUid, StringComparer.Ordinal)
                .ToLookup(suspension => suspension.Uid, StringComparer.Ordinal);
        }
    }

    /// <summary>Returns all suspensions, oldest first.</summary>
    public IReadOnlyList<SuspensionRecord> Suspensions()
    {
        lock (_gate)
        {
            return
            [
                .. _budgets
                    .Values.SelectMany(SuspensionsIn)
                    .OrderBy(suspension => suspension.Since)
                    .ThenBy(suspension => suspension.Namespace, StringComparer.Ordinal)
                    .ThenBy(suspension => suspension.Name, StringComparer.Ordinal)
                    .ThenBy(suspension => suspension.Field.Pointer, StringComparer.Ordinal),
            ];
        }
    }

    public IReadOnlyList<SuspensionRecord> SuspensionsBy(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid) is { } shard ? [.. SuspensionsIn(shard)] : [];
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
            while (
                kept.Count > KeptDecisions || kept.Count > 1 && kept.Sum(record => record.Inputs.Length + record.Text.Length) > KeptInputs
            )
                kept.RemoveAt(0);
            // A decision that is too long for any object is kept without its inputs.
            if (kept is [{ Inputs.Length: > KeptInputs } only])
                kept[0] = only with { Inputs = "" };
            shard.Touch();
        }
    }

    /// <summary>Returns the last decisions of a budget, oldest first.</summary>
    public IReadOnlyList<DecisionRecord> Decisions(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid) is { } shard ? [.. shard.Budget!.Decisions] : [];
    }

    /// <summary>Returns the budgets with any state, whether they still exist or not.</summary>
    public IReadOnlyList<(string Namespace, string Name, string Uid)> RememberedBudgets()
    {
        lock (_gate)
            return
            [
                .. _budgets.Values.Where(shard => !shard.IsEmpty).Select(shard => (shard.Namespace!, shard.Budget!.Name, shard.Budget.Uid)),
            ];
    }

    /// <summary>Drops the state of a deleted budget, except for its suspensions, which stay until they are resumed.</summary>
    public bool ForgetBudget(string budgetUid)
    {
        lock (_gate)
        {
            if (FindBudget(budgetUid) is not { Budget.IsEmpty: false } shard)
                return false;
            shard.Budget.Memory = null;
            shard.Budget.Decisions.Clear();
            shard.Budget.Open = null;
            shard.Budget.Closed.Clear();
            shard.Budget.Grants = [];
            SetLoans(shard, []);
            shard.Budget.Spending = null;
            shard.Touch();
            return true;
        }
    }

    /// <summary>Returns the changed shards of a budget, which are written before the action.</summary>
    public IReadOnlyList<LedgerShard> DirtyBudgetShards(string budgetUid)
    {
        lock (_gate)
            return FindBudget(budgetUid) is { } budget ? Dirty(ShardsOf(budget)) : [];
    }

    private StateShard? FindBudget(string uid) => _budgets.GetValueOrDefault(uid);

    private StateShard BudgetShard(string ns, string name, string uid)
    {
        if (!_budgets.TryGetValue(uid, out var shard))
        {
            shard = Add(new(ShardName(ns, uid), LedgerShard.BudgetKind) { Namespace = ns, Budget = new(uid) });
            _budgets.Add(uid, shard);
            if (!_budgetsByNamespace.TryGetValue(ns, out var beside))
                _budgetsByNamespace.Add(ns, beside = []);
            beside.Add(shard);
        }
        if (name.Length > 0)
            shard.Budget!.Name = name;
        return shard;
    }

    /// <summary>
    /// Returns the name of a budget's ledger object. The UID of a limit inside a budget contains the limit's name, which may have characters
    /// that an object's name may not have, so a hash of it is used.
    /// </summary>
    private static string ShardName(string ns, string uid)
    {
        var at = uid.IndexOf('/');
        var own = at < 0 ? uid : $"{uid[..at]}.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(uid[at..])).AsSpan(0, 8))}";
        return $"{(ns.Length > 0 ? ns : ClusterBudgets)}.{own}";
    }

    private SuspensionRecord WithFirstOriginal(SuspensionRecord record) =>
        OthersOn(record.BudgetUid, record.Uid, record.Field.Pointer).FirstOrDefault() is { } earlier
            ? record with
            {
                Field = record.Field with { Original = earlier.Field.Original },
            }
            : record;

    private IEnumerable<SuspensionRecord> OthersOn(string budgetUid, string objectUid, string pointer) =>
        _budgets
            .Values.Where(shard => shard.Budget!.Uid != budgetUid)
            .SelectMany(SuspensionsIn)
            .Where(suspension => IsOf(suspension, objectUid, pointer))
            .OrderBy(suspension => suspension.Since);

    private static IEnumerable<StateShard> ShardsOf(StateShard budget) => budget.Budget!.Parts.Prepend(budget);

    private static IEnumerable<SuspensionRecord> SuspensionsIn(StateShard budget) =>
        budget.Budget!.Parts.Count == 0 ? budget.Suspensions : ShardsOf(budget).SelectMany(shard => shard.Suspensions);

    private StateShard ShardFor(SuspensionRecord record, StateShard budget)
    {
        var bytes = StoredForm.Bytes(record);
        return ShardsOf(budget)
            .FirstOrDefault(shard => shard.EstimatedBytes + bytes <= (shard == budget ? OwnSuspensionBytes : PartSuspensionBytes))
            ?? Part(budget, ShardState.NextIndex(budget.Name, budget.Budget!.Parts.LastOrDefault() ?? budget, IsTaken));
    }

    private StateShard Part(StateShard budget, int index)
    {
        var part = Add(
            new(ShardState.Numbered(budget.Name, index), LedgerShard.BudgetKind)
            {
                Namespace = budget.Namespace,
                Index = index,
                PartOf = budget,
            }
        );
        budget.Budget!.Parts.Add(part);
        // Stored parts arrive by name, 10 before 2.
        budget.Budget.Parts.Sort((first, second) => first.Index.CompareTo(second.Index));
        return part;
    }

    private void RestoreBudget(LedgerShard stored)
    {
        var budget = BudgetShard(stored.Namespace ?? "", stored.BudgetName ?? "", stored.BudgetUid ?? "");
        var shard = stored.Index > 0 ? Part(budget, stored.Index) : budget;
        foreach (var record in stored.Suspensions ?? [])
            AddRecord(StoredForm.Read(record), shard);
        if (shard.Budget is { } own)
        {
            own.Memory = StoredForm.Read(stored.Memory);
            own.Decisions.AddRange((stored.Decisions ?? []).Select(StoredForm.Read));
            own.Open = stored.Window;
            own.Closed.AddRange(stored.Windows ?? []);
            own.Grants = stored.Grants ?? [];
            SetLoans(shard, stored.Loans ?? []);
            own.Spending = stored.Spending;
        }
        shard.Restore(stored.Revision);
    }

    private static void AddRecord(SuspensionRecord record, StateShard shard)
    {
        shard.Suspensions.Add(record);
        shard.EstimatedBytes += StoredForm.Bytes(record);
        shard.Touch();
    }

    private static bool Drop(StateShard shard, Predicate<SuspensionRecord> which)
    {
        var dropped = shard.Suspensions.FindAll(which);
        if (dropped.Count == 0)
            return false;
        shard.Suspensions.RemoveAll(which);
        shard.EstimatedBytes -= dropped.Sum(StoredForm.Bytes);
        shard.Touch();
        return true;
    }

    private static bool IsOf(SuspensionRecord record, string objectUid, string pointer) =>
        record.Uid == objectUid && record.Field.Pointer == pointer;
}
