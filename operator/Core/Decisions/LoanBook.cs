using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The arithmetic of loans between budgets. For each record, the borrower's limit changes by what is lent less what is repaid, and the lender's by
/// the opposite, so the sum of all limits stays the same. Pure.
/// </summary>
public static class LoanBook
{
    /// <summary>The number of records that are kept of one borrower: those of its last windows.</summary>
    public const int KeptRecords = 100;

    /// <summary>Whether a loan changes the limit of a budget that counts this unit. Amounts of different units cannot be added.</summary>
    public static bool Counts(LoanRecord loan, UsageUnit unit) => loan.Unit is null || loan.Unit == unit;

    /// <summary>Returns what loans add to the limit of a budget; negative if they lower it.</summary>
    public static Amount Net(IReadOnlyList<LoanRecord>? loans, string uid)
    {
        var net = Amount.Zero;
        foreach (var loan in loans ?? [])
        {
            if (loan.BorrowerUid == uid)
                net += loan.Lent - loan.Repaid;
            if (loan.LenderUid == uid)
                net -= loan.Lent - loan.Repaid;
        }
        return net;
    }

    public static Amount Borrowed(IReadOnlyList<LoanRecord>? loans, string uid) =>
        Sum(loans, loan => loan.BorrowerUid == uid ? loan.Lent : Amount.Zero);

    public static Amount Lent(IReadOnlyList<LoanRecord>? loans, string uid) =>
        Sum(loans, loan => loan.LenderUid == uid ? loan.Lent : Amount.Zero);

    /// <summary>Returns what the later windows of a budget repay.</summary>
    public static Amount Owed(IReadOnlyList<LoanRecord>? loans, string uid) =>
        Sum(loans, loan => loan.BorrowerUid == uid ? loan.Owed : Amount.Zero);

    /// <summary>
    /// Returns the records of a borrower when a window begins: what is owed is repaid from the window's limit, to the lender with the oldest loan
    /// first. The rest stays owed. A window that has records keeps them, so a second call changes nothing.
    /// </summary>
    /// <param name="records">The records of one borrower, oldest first.</param>
    /// <param name="limit">The limit of the window with its top-ups, which is the most that it repays.</param>
    /// <param name="unit">The unit that the borrower counts. Loans of another unit stay owed.</param>
    /// <param name="unitOf">The unit that a lender counts; null if it is unknown. If it differs from the loan's, the loan stays owed.</param>
    /// <param name="exists">Whether a lender exists. Nothing is repaid to one that does not.</param>
    public static IReadOnlyList<LoanRecord> Begin(
        IReadOnlyList<LoanRecord> records,
        Window window,
        Amount limit,
        UsageUnit unit,
        Func<string, UsageUnit?> unitOf,
        Func<string, bool> exists
    )
    {
        if (records.Count == 0)
            return records;
        if (records.Any(record => record.Unit is null))
            records = [.. records.Select(record => record with { Unit = record.Unit ?? unit })];
        if (records.Any(record => IsIn(record, window)))
            return
            [
                .. records
                    .Select(record =>
                        IsIn(record, window) && record.OwedBefore > Amount.Zero && !exists(record.LenderUid)
                            ? record with
                            {
                                OwedBefore = Amount.Zero,
                                Repaid = Amount.Zero,
                            }
                            : record
                    )
                    .Where(record => !record.IsEmpty),
            ];
        var left = Amount.Max(Amount.Zero, limit);
        var all = records.ToList();
        foreach (var latest in records.GroupBy(record => (record.LenderUid, record.Unit)).Select(loans => loans.Last()))
        {
            if (latest.Owed <= Amount.Zero || !exists(latest.LenderUid))
                continue;
            // After a change of the period, the window may begin before the loan. The lender's window of that time is over.
            var repaid =
                latest.Start < window.Start && Counts(latest, unit) && Counts(latest, unitOf(latest.LenderUid) ?? unit)
                    ? Amount.Min(latest.Owed, left)
                    : Amount.Zero;
            left -= repaid;
            all.Add(
                latest with
                {
                    Window = window.Key,
                    Start = window.Start,
                    Lent = Amount.Zero,
                    OwedBefore = latest.Owed,
                    Repaid = repaid,
                }
            );
        }
        return [.. all.TakeLast(KeptRecords)];
    }

    /// <summary>
    /// Returns the records of a borrower when a window ends: what it did not spend of a loan was not lent. Of a loan of another unit, the
    /// spending is not known, so all of it was lent.
    /// </summary>
    /// <param name="records">The records of one borrower, oldest first.</param>
    /// <param name="limit">The limit of the window, including the loans.</param>
    /// <param name="spent">The spending in the window.</param>
    /// <param name="unit">The unit of the limit and the spending.</param>
    public static IReadOnlyList<LoanRecord> Close(
        IReadOnlyList<LoanRecord> records,
        Window window,
        Amount limit,
        Amount spent,
        UsageUnit unit
    )
    {
        if (records.Count == 0)
            return records;
        bool IsClosed(LoanRecord record) => IsIn(record, window) && Counts(record, unit);
        var used = Amount.Max(Amount.Zero, spent - limit + Sum(records, record => IsClosed(record) ? record.Lent : Amount.Zero));
        var kept = new List<LoanRecord>();
        foreach (var record in records)
        {
            if (!IsClosed(record))
            {
                kept.Add(record);
                continue;
            }
            var part = Amount.Min(record.Lent, used);
            used -= part;
            kept.Add(record with { Lent = part });
        }
        return [.. kept.Where(record => !record.IsEmpty)];
    }

    /// <summary>Returns the loans of a window as they are expected in the next one: everything is repaid, and nothing is lent.</summary>
    public static IReadOnlyList<LoanRecord>? InNextWindow(IReadOnlyList<LoanRecord>? loans) =>
        loans is null
            ? null
            :
            [
                .. loans
                    .Where(loan => loan.Owed > Amount.Zero)
                    .Select(loan => loan with { Lent = Amount.Zero, OwedBefore = loan.Owed, Repaid = loan.Owed }),
            ];

    /// <summary>Returns the loans with more money lent to a budget, from the first offer on.</summary>
    public static IReadOnlyList<LoanRecord> Lend(BudgetSnapshot budget, IReadOnlyList<LoanOffer> offers, Amount amount)
    {
        var loans = (budget.Loans ?? []).ToList();
        foreach (var offer in offers)
        {
            var part = Amount.Min(offer.Amount, amount);
            if (part <= Amount.Zero)
                continue;
            amount -= part;
            var at = loans.FindIndex(loan =>
                loan.BorrowerUid == budget.Uid && loan.LenderUid == offer.LenderUid && IsIn(loan, budget.Window)
            );
            if (at >= 0)
                loans[at] = loans[at] with { Lent = loans[at].Lent + part };
            else
                loans.Add(
                    new()
                    {
                        LenderUid = offer.LenderUid,
                        Lender = offer.Lender,
                        BorrowerUid = budget.Uid,
                        Borrower = NameOf(budget),
                        Window = budget.Window.Key,
                        Start = budget.Window.Start,
                        Unit = budget.Terms.Counted.Unit,
                        Lent = part,
                    }
                );
        }
        return loans;
    }

    /// <summary>Returns the loans without a part of what was lent to a budget in this window. The last loan is returned first.</summary>
    public static IReadOnlyList<LoanRecord> Return(BudgetSnapshot budget, Amount amount)
    {
        var loans = (budget.Loans ?? []).ToList();
        for (var i = loans.Count - 1; i >= 0; i--)
        {
            if (loans[i].BorrowerUid != budget.Uid)
                continue;
            var part = Amount.Min(loans[i].Lent, amount);
            amount -= part;
            loans[i] = loans[i] with { Lent = loans[i].Lent - part };
        }
        return [.. loans.Where(loan => !loan.IsEmpty)];
    }

    /// <summary>
    /// Returns a borrower's records after a decision: those of this window are replaced, and those of earlier windows stay.
    /// </summary>
    /// <param name="records">The stored records.</param>
    /// <param name="before">The loans before the decision.</param>
    /// <param name="after">The loans after it.</param>
    /// <param name="uid">The UID of the borrower.</param>
    public static IReadOnlyList<LoanRecord> Replace(
        IReadOnlyList<LoanRecord> records,
        IReadOnlyList<LoanRecord>? before,
        IReadOnlyList<LoanRecord>? after,
        string uid
    )
    {
        var replaced = (before ?? []).ToHashSet();
        return
        [
            .. records
                .Where(record => !replaced.Contains(record))
                .Concat((after ?? []).Where(record => record.BorrowerUid == uid))
                .TakeLast(KeptRecords),
        ];
    }

    /// <summary>Returns a budget as the status names it: <c>team-nlp/nlp</c>, or the name of a ClusterGpuBudget.</summary>
    public static string NameOf(BudgetSnapshot budget) => budget.Namespace.Length > 0 ? $"{budget.Namespace}/{budget.Name}" : budget.Name;

    private static bool IsIn(LoanRecord record, Window window) => record.Window == window.Key && record.Start == window.Start;

    private static Amount Sum(IReadOnlyList<LoanRecord>? loans, Func<LoanRecord, Amount> part) =>
        (loans ?? []).Aggregate(Amount.Zero, (sum, loan) => sum + part(loan));
}

/// <summary>An amount that a budget could lend to another one now.</summary>
/// <param name="Lender">The lender as the status names it. Empty: the refusal concerns the borrower itself.</param>
/// <param name="Amount">The most that it lends. Zero with a refusal.</param>
/// <param name="Refusal">Why it lends nothing. Null: it lends.</param>
public sealed record LoanOffer(string LenderUid, string Lender, Amount Amount, string? Refusal = null);
