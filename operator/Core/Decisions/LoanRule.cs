using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Announces once per window and partner what a budget lent, what is repaid, and which loans are in another unit than its limit.</summary>
internal static class LoanRule
{
    public static void Announce(Plan plan)
    {
        var budget = plan.Budget;
        if (budget is { Loans: null, LoansOfOtherUnit: null })
            return;
        var announced = new SortedSet<string>(plan.Memory.Announced, StringComparer.Ordinal);
        foreach (var loan in budget.LoansOfOtherUnit ?? [])
            Once(
                $"unit/{loan.LenderUid}/{loan.BorrowerUid}",
                Reasons.LoanInOtherUnit,
                () => LoanMessages.InOtherUnit(budget, loan),
                warning: true
            );
        foreach (var loan in budget.Loans ?? [])
        {
            var isLender = loan.LenderUid == budget.Uid;
            var partner = isLender ? loan.BorrowerUid : loan.LenderUid;
            if (isLender && loan.Lent > Amount.Zero)
                Once($"lent/{partner}", Reasons.Lent, () => LoanMessages.Lent(budget, loan, plan.Totals.Limit));
            if (loan.Repaid > Amount.Zero)
                Once($"repaid/{partner}", Reasons.LoanRepaid, () =>
                    isLender ? LoanMessages.IsRepaid(budget, loan) : LoanMessages.Repays(budget, loan)
                );
        }
        if (announced.Count > plan.Memory.Announced.Count)
            plan.Memory = plan.Memory with { Announced = [.. announced] };

        void Once(string key, string reason, Func<string> sentence, bool warning = false)
        {
            if (announced.Add(key))
                plan.Announce(new(reason, $"{budget.Window.Key}/{key}", sentence(), warning));
        }
    }
}
