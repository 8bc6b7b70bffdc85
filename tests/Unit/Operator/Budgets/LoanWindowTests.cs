using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Operator.Budgets;
using Bursar.Operator.Suspension;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Ledger;

namespace Bursar.Tests.Unit.Operator.Budgets;

/// <summary>Loans over the ends of windows: what a loan adds to one limit is missing in the other, and is repaid from the next window.</summary>
public sealed class LoanWindowTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Used_part_of_a_loan_is_repaid_from_the_next_window()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        Spend(ledger, "a", 10, 23);
        var (a, b) = (Budget("a", 10), Budget("b", 10));
        Record(ledger, state, a, Start.AddHours(9));
        Lend(state, a, "b", 5);
        Record(ledger, state, b, Start.AddHours(20));
        Limits(state).Should().Be("15 5");

        // The lender is evaluated before the borrower, after the end of the window and a restart.
        state = Restarted(state, []);
        BudgetRecorder.RecordWindows(ledger, state, a, Start.AddDays(1).AddMinutes(1), 400, _ => null, _ => true);
        Record(ledger, state, b, Start.AddDays(1).AddMinutes(1));

        Limits(state).Should().Be("7 13", "13 is spent, 3 of it borrowed");
        state.ClosedWindows("a").Single().Limit.Should().Be(Money(13));
        state.ClosedWindows("b").Single().Limit.Should().Be(Money(7));
        foreach (var budget in (ReadBudget[])[b, a])
            Record(ledger, state, budget, Start.AddDays(2).AddMinutes(1));
        Limits(state).Should().Be("10 10");
    }

    [Fact]
    public void Debt_beyond_a_whole_window_is_repaid_from_the_one_after()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        Spend(ledger, "a", 0, 24, gpus: 2);
        var (a, b) = (Budget("a", 20), Budget("b", 100));
        Record(ledger, state, a, Start.AddHours(1));
        Lend(state, a, "b", 28);
        foreach (var (day, limits) in ((int, string)[])[(1, "0 120"), (2, "12 108"), (3, "20 100")])
        {
            Record(ledger, state, a, Start.AddDays(day));
            Record(ledger, state, b, Start.AddDays(day));
            Limits(state).Should().Be(limits, "day {0}", day);
        }
    }

    [Fact]
    public void Loan_of_a_deleted_lender_stays_until_the_window_ends_and_is_not_repaid()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        Spend(ledger, "a", 0, 24);
        var a = Budget("a", 10);
        Record(ledger, state, a, Start.AddHours(1));
        Lend(state, a, "b", 14);

        BudgetRecorder.RecordWindows(ledger, state, a, Start.AddHours(2), 400, _ => null, _ => false);
        state.OpenWindow("a")!.Limit.Should().Be(Money(24));
        BudgetRecorder.RecordWindows(ledger, state, a, Start.AddDays(1), 400, _ => null, _ => false);
        state.OpenWindow("a")!.Limit.Should().Be(Money(10));
    }

    [Fact]
    public void Loan_changes_no_limit_in_another_unit_and_is_repaid_once_the_unit_returns()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        Spend(ledger, "a", 0, 24);
        var b = Budget("b", 10);
        Days(0, Budget("a", 10));
        Lend(state, Known["a"], "b", 5, UsageUnit.Cost);
        Days(0, Budget("a", 10, unit: UsageUnit.GpuHours));
        Limits(state).Should().Be("10 5", "the lender still counts the cost");

        state = Restarted(state, []);
        Days(1, Budget("a", 10, unit: UsageUnit.GpuHours));
        Limits(state).Should().Be("10 10");
        Days(2, Budget("a", 10));
        Limits(state).Should().Be("5 15");
        Days(3, Budget("a", 10));
        Limits(state).Should().Be("10 10");

        void Days(int day, ReadBudget a)
        {
            Record(ledger, state, a, Start.AddDays(day).AddHours(1));
            Record(ledger, state, b, Start.AddDays(day).AddHours(1));
        }
    }

    [Fact]
    public void Lender_that_counts_another_unit_is_repaid_once_the_unit_returns()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        Spend(ledger, "a", 0, 24);
        var a = Budget("a", 10);
        Record(ledger, state, a, Start.AddHours(1));
        Lend(state, a, "b", 5, UsageUnit.Cost);
        foreach (var (day, unit, limits) in ((int, UsageUnit, string)[])[(1, UsageUnit.GpuHours, "10 10"), (2, UsageUnit.Cost, "5 15")])
        {
            var b = Budget("b", 10, unit: unit);
            Record(ledger, state, a, Start.AddDays(day).AddHours(1));
            Record(ledger, state, b, Start.AddDays(day).AddHours(1));
            Limits(state).Should().Be(limits, "day {0}", day);
        }
    }

    [Fact]
    public void Loan_of_an_earlier_version_gets_the_unit_of_its_borrower()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        var a = Budget("a", 10, unit: UsageUnit.GpuHours);
        Lend(state, a, "b", 5);
        Record(ledger, state, a, Start.AddHours(1));
        state.Loans("a").Single().Unit.Should().Be(UsageUnit.GpuHours);
        state.OpenWindow("a")!.Limit.Should().Be(Money(15));
    }

    [Fact]
    public void Forgotten_borrower_returns_its_loan()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        var (a, b) = (Budget("a", 10), Budget("b", 10));
        Record(ledger, state, a, Start.AddHours(1));
        Lend(state, a, "b", 5);

        state.ForgetBudget("a");
        Record(ledger, state, b, Start.AddHours(2));

        state.OpenWindow("b")!.Limit.Should().Be(Money(10));
    }

    [Fact]
    public void Loan_of_a_window_whose_period_changed_is_repaid_once()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        Spend(ledger, "a", 0, 24);
        var (a, b) = (Budget("a", 10), Budget("b", 10));
        Record(ledger, state, a, Start.AddHours(1));
        Lend(state, a, "b", 5);

        a = Budget("a", 10, "Hour");
        Record(ledger, state, a, Start.AddHours(2));
        Record(ledger, state, b, Start.AddHours(2));
        Limits(state).Should().Be("5 10", "the new window repays at once what the old one borrowed");
        Record(ledger, state, a, Start.AddHours(3));
        state.OpenWindow("a")!.Limit.Should().Be(Money(10));
    }

    [Fact]
    public void Loan_of_a_window_that_begins_later_than_the_new_one_is_repaid_from_the_next()
    {
        var (ledger, state) = (new GpuLedger(), new OperatorState());
        var (a, b) = (Budget("a", 10), Budget("b", 10));
        Record(ledger, state, a, Start.AddHours(1));
        Lend(state, a, "b", 5);

        a = Budget("a", 10, "Year");
        Record(ledger, state, a, Start.AddHours(2));
        Record(ledger, state, b, Start.AddHours(2));
        Limits(state).Should().Be("15 5", "the lender's window in which the year began is over");

        var next = new DateTimeOffset(Start.Year + 1, 1, 1, 1, 0, 0, TimeSpan.Zero);
        Record(ledger, state, a, next);
        Record(ledger, state, b, next);
        Limits(state).Should().Be("5 15");
    }

    /// <summary>
    /// Four budgets with random spending borrow from each other, return, restart, and are evaluated in random order, some of them windows too late.
    /// In every window the limits add up to the limits of the specs, and all that was used and is not repaid is owed.
    /// </summary>
    [Fact]
    public void Money_is_conserved_over_random_histories()
    {
        var (made, repaid) = (0, 0);
        for (var seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            var (ledger, state) = (new GpuLedger(), new OperatorState());
            var stored = new Dictionary<string, string>();
            // Without an operator for a whole window, the past limit of a lender may lack what was repaid in it.
            var isAway = seed % 3 == 0;
            ReadBudget[] budgets =
            [
                .. "abcd".Select(name =>
                    Budget(name.ToString(), random.Next(1, 30), borrowing: random.Next(0, 40), lending: random.Next(0, 30))
                ),
            ];
            foreach (var budget in budgets)
                for (var pod = 0; pod < 6; pod++)
                {
                    var from = random.Next(0, 140);
                    Spend(ledger, budget.Name, from, from + random.Next(1, 20), random.Next(1, 3));
                }
            var whole = budgets.Aggregate(Amount.Zero, (sum, budget) => sum + budget.Terms.Limit);
            for (
                var at = Start;
                at < Start.AddDays(7);
                at = at.AddHours(isAway && random.Next(10) == 0 ? random.Next(24, 60) : random.Next(1, 9))
            )
            {
                random.Shuffle(budgets);
                if (random.Next(4) == 0)
                    state = Restarted(state, stored);
                // A budget lends only once it has begun the window.
                foreach (var budget in budgets)
                    Record(ledger, state, budget, at);
                random.Shuffle(budgets);
                foreach (var budget in budgets)
                {
                    Record(ledger, state, budget, at);
                    made += Evaluate(ledger, state, budget, budgets, at, random);
                }
                // Each has begun its window and seen the loans of the others.
                foreach (var budget in budgets)
                    Record(ledger, state, budget, at);
                Sum(budgets, budget => state.OpenWindow(budget.Uid)!.Limit).Should().Be(whole, "seed {0}, {1}", seed, at);
                foreach (var borrower in budgets)
                {
                    var loans = state.Loans(borrower.Uid);
                    loans.Should().NotContain(loan => loan.Lent.IsNegative || loan.Repaid.IsNegative || loan.Repaid > loan.OwedBefore);
                    foreach (var lender in loans.GroupBy(loan => loan.LenderUid))
                    {
                        var (lent, back) = (Amount.Zero, Amount.Zero);
                        foreach (var loan in lender)
                        {
                            loan.OwedBefore.Should().Be(lent - back, "seed {0}, {1}: what was lent and not repaid is owed", seed, at);
                            (lent, back) = (lent + loan.Lent, back + loan.Repaid);
                        }
                        if (back > Amount.Zero)
                            repaid++;
                    }
                    LoanBook
                        .Borrowed(state.LoansIn(borrower.Uid, at.Date, at.Date.AddDays(1)), borrower.Uid)
                        .Should()
                        .BeLessThanOrEqualTo(borrower.Terms.BorrowingLimit!.Value);
                }
            }
            if (isAway)
                continue;
            foreach (var window in budgets.SelectMany(budget => state.ClosedWindows(budget.Uid)).GroupBy(window => window.Key))
                window
                    .Aggregate(Amount.Zero, (sum, one) => sum + one.Limit)
                    .ToString()
                    .Should()
                    .Be(
                        whole.ToString(),
                        "seed {0}, window {1}: {2}",
                        seed,
                        window.Key,
                        string.Join(", ", window.Select(one => one.Limit))
                    );
        }
        made.Should().BeGreaterThan(80);
        repaid.Should().BeGreaterThan(80);
    }

    /// <summary>One pass of a budget with a job that may not fit. Returns the number of loans made.</summary>
    private static int Evaluate(
        GpuLedger ledger,
        OperatorState state,
        ReadBudget budget,
        ReadBudget[] all,
        DateTimeOffset now,
        Random random
    )
    {
        var window = Window.At(budget.Terms.Window, now);
        var loans = state.LoansIn(budget.Uid, window.Start, window.End);
        var job = Given.Job("train", random.Next(1, 12));
        var before = Given.Budget(budget.Terms, random.Next(2) == 0 ? job : job.Suspended(0)) with
        {
            Namespace = budget.Namespace,
            Name = budget.Name,
            Uid = budget.Uid,
            Now = now,
            Window = window,
            Spent = ledger.Spent(budget.Namespace, budget.Selector, window.Start, now, now, budget.Terms.Counted),
            Loans = loans.Count > 0 ? loans : null,
        };
        var (after, _) = LoanDecider.Decide(before, () =>
            [
                .. all.Where(other =>
                        other.Uid != budget.Uid
                        && LoanBook.Borrowed(state.LoansIn(other.Uid, window.Start, window.End), other.Uid) == Amount.Zero
                    )
                    .Select(other => new LoanOffer(
                        other.Uid,
                        other.Name,
                        Amount.Min(
                            other.Terms.LendingLimit!.Value - LoanBook.Lent(state.LoansIn(other.Uid, window.Start, window.End), other.Uid),
                            other.Terms.Limit + LoanBook.Net(state.LoansIn(other.Uid, window.Start, window.End), other.Uid)
                        )
                    )),
            ]
        );
        state.RecordLoans(
            budget.Namespace,
            budget.Name,
            budget.Uid,
            LoanBook.Replace(state.Loans(budget.Uid), before.Loans, after.Loans, budget.Uid)
        );
        return LoanBook.Borrowed(after.Loans, budget.Uid) > LoanBook.Borrowed(before.Loans, budget.Uid) ? 1 : 0;
    }

    private static Amount Money(decimal amount) => Amount.FromDecimal(amount);

    private static Amount Sum(IEnumerable<ReadBudget> budgets, Func<ReadBudget, Amount> amount) =>
        budgets.Aggregate(Amount.Zero, (sum, budget) => sum + amount(budget));

    private static void Record(GpuLedger ledger, OperatorState state, ReadBudget budget, DateTimeOffset now) =>
        BudgetRecorder.BeginWindow(ledger, state, budget, now, 400, uid => Known[uid], _ => true);

    private static string Limits(OperatorState state) =>
        $"{state.OpenWindow("a")!.Limit.ToString(0)} {state.OpenWindow("b")!.Limit.ToString(0)}";

    /// <param name="stored">The objects of the ledger. Those that did not change are not written again.</param>
    private static OperatorState Restarted(OperatorState state, Dictionary<string, string> stored)
    {
        LedgerWorld.Write(state, stored);
        return LedgerWorld.ReadState(stored.Values);
    }

    private static void Lend(OperatorState state, ReadBudget borrower, string lender, decimal amount, UsageUnit? unit = null) =>
        state.RecordLoans(
            borrower.Namespace,
            borrower.Name,
            borrower.Uid,
            [
                new()
                {
                    LenderUid = lender,
                    Lender = lender,
                    BorrowerUid = borrower.Uid,
                    Borrower = borrower.Name,
                    Window = "2026-11-02",
                    Start = Start,
                    Lent = Money(amount),
                    Unit = unit,
                },
            ]
        );

    private static readonly Dictionary<string, ReadBudget> Known = [];

    private static ReadBudget Budget(
        string name,
        int limit,
        string period = "Day",
        int borrowing = 100,
        int lending = 100,
        UsageUnit unit = UsageUnit.Cost
    )
    {
        var entity = new V1Alpha1GpuBudget
        {
            Metadata = new()
            {
                Name = name,
                Namespace = name,
                Uid = name,
            },
            Spec = new()
            {
                Limit = unit == UsageUnit.Cost ? new() { Cost = $"{limit}" } : new() { GpuHours = $"{limit}" },
                Window = new() { Period = period },
                Borrowing = new() { Limit = $"{borrowing}" },
                Lending = new() { Limit = $"{lending}" },
            },
        };
        GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt).Should().BeEmpty();
        return Known[name] = new(entity, terms!, selector, exempt, [name]);
    }

    /// <summary>GPUs at 1 USD/h, from and to an hour after the start.</summary>
    private static void Spend(GpuLedger ledger, string ns, int from, int to, int gpus = 1)
    {
        ledger.Install(Start);
        ledger.Reprice("T4", GpuHourPrice.FromDecimal(1), Start);
        var uid = $"{ns}-{from}-{to}-{gpus}";
        ledger.Observe(
            new()
            {
                Uid = uid,
                Pod = uid,
                Workload = new(ns, "Job", "train", ns),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "n1",
                Product = "T4",
                Gpus = gpus,
                ScheduledAt = Start.AddHours(from),
                FinishedAt = Start.AddHours(to),
                ObservedAt = Start.AddHours(to),
            }
        );
    }
}
