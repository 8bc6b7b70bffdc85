using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The messages about loans between budgets: Events, and the reasons why a budget lends nothing.</summary>
public static class LoanMessages
{
    /// <param name="before">The budget without the new loan.</param>
    /// <param name="after">The budget with it.</param>
    /// <param name="limit">The limit with it.</param>
    /// <param name="workloads">The workloads that run because of it.</param>
    public static string Borrowed(BudgetSnapshot before, BudgetSnapshot after, Amount limit, IReadOnlyList<WorkloadSnapshot> workloads)
    {
        var known = (before.Loans ?? []).ToLookup(loan => (loan.LenderUid, loan.BorrowerUid, loan.Window, loan.Start), loan => loan.Lent);
        var parts = (after.Loans ?? [])
            .Where(loan => loan.BorrowerUid == after.Uid)
            .Select(loan =>
                (
                    loan.Lender,
                    Amount: known[(loan.LenderUid, loan.BorrowerUid, loan.Window, loan.Start)]
                        .Aggregate(loan.Lent, (more, lent) => more - lent)
                )
            )
            .Where(part => part.Amount > Amount.Zero)
            .ToArray();
        var names = workloads.Select(workload => workload.Key.DisplayName(before.Namespace)).Order(StringComparer.Ordinal).ToArray();
        return $"{Start(before)} borrowed {string.Join(" and ", parts.Select(part => $"{Money(part.Amount)} {before.Currency} from {part.Lender}"))}, so that {string.Join(", ", names.Take(5))}{(names.Length > 5 ? $" and {names.Length - 5} more" : "")} can run. "
            + $"Its limit in {Window.NameOf(before.Window.Key)} is now {Money(limit)} {before.Currency}. The unused part returns by the end of the window; the used part is repaid from the next window.";
    }

    /// <param name="lent">The amount lent to one borrower in this window.</param>
    public static string Lent(BudgetSnapshot budget, LoanRecord lent, Amount limit) =>
        $"{Start(budget)} lent {Money(lent.Lent)} {budget.Currency} to {lent.Borrower}. Its limit in {Window.NameOf(budget.Window.Key)} is now {Money(limit)} {budget.Currency}. The unused part returns by the end of the window; the used part is repaid in the next window. See status.loans for the present amount.";

    public static string Repays(BudgetSnapshot budget, LoanRecord loan) =>
        $"{Start(budget)} repays {Money(loan.Repaid)} {budget.Currency} to {loan.Lender} in {Window.NameOf(budget.Window.Key)}: its limit is lower by that amount. {StillOwed(loan, budget)}";

    public static string IsRepaid(BudgetSnapshot budget, LoanRecord loan) =>
        $"{Start(budget)} gets {Money(loan.Repaid)} {budget.Currency} back from {loan.Borrower} in {Window.NameOf(budget.Window.Key)}: its limit is higher by that amount. {StillOwed(loan, budget)}";

    public static string InOtherUnit(BudgetSnapshot budget, LoanRecord loan) =>
        $"{Start(budget)} has a limit in {budget.Currency}. Its loan {(loan.LenderUid == budget.Uid ? $"to {loan.Borrower}" : $"from {loan.Lender}")} is in {BudgetSnapshot.UnitOf(loan.Unit ?? UsageUnit.Cost, "the currency of the price book")}, so it does not change that limit. "
        + $"Of the loan, {Money(loan.Owed)} is not repaid. It counts again if the first unit that spec.limit sets is that of the loan.";

    public static string LimitReached(Amount owed, BudgetSnapshot budget) =>
        $"spec.borrowing.limit is reached: {Money(owed)} {budget.Currency} is borrowed and not repaid";

    public const string NoCommonBudget =
        "no ClusterGpuBudget in mode Enforce selects all workloads of this budget, so no budget can lend to it";

    public const string SharesWorkloads = "it selects workloads of this budget too";

    public const string OtherWindow = "its window is not the same as that of this budget";

    public const string Borrows = "it has borrowed itself in this window";

    public const string HasWaiting = "its own workloads wait for budget";

    public const string NotEvaluated = "it has not been evaluated since its spec or its workloads changed";

    public const string NothingLeft =
        "it has nothing left to lend: its limit for lending is reached, or its own workloads need the rest of its limit";

    public static string OtherCurrency(string currency) => $"its amounts are in {currency}";

    private static string StillOwed(LoanRecord loan, BudgetSnapshot budget) =>
        loan.OwedBefore > loan.Repaid
            ? $"{Money(loan.OwedBefore - loan.Repaid)} {budget.Currency} of the loan is repaid in later windows."
            : "The loan is fully repaid.";

    private static string Start(BudgetSnapshot budget) => char.ToUpperInvariant(budget.DisplayName[0]) + budget.DisplayName[1..];

    private static string Money(Amount amount) => amount.ToShortString();
}
