using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Operator.Budgets;
using Bursar.Operator.Suspension;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Ledger;

namespace Bursar.Tests.Unit.Operator.Budgets;

public sealed class ClosedWindowTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Closed_window_is_recorded_once_also_after_an_outage()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var budget = Budget("Day", topUp: "2026-11-02");

        Record(ledger, state, budget, Start.AddHours(12));
        Record(ledger, state, budget, Start.AddHours(13));
        state.ClosedWindows("b").Should().BeEmpty();

        // The operator was down for two and a half days.
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        LedgerWorld.Write(state, stored);
        (ledger, state) = (LedgerWorld.Read(stored.Values), LedgerWorld.ReadState(stored.Values));
        for (var again = 0; again < 2; again++)
            Record(ledger, state, budget, Start.AddDays(3).AddHours(2));

        state
            .ClosedWindows("b")
            .Select(one => (one.Key, one.Spent.ToString(0), one.Limit.ToString(0)))
            .Should()
            .Equal(("2026-11-01", "14", "10"), ("2026-11-02", "24", "15"), ("2026-11-03", "24", "10"));
        state.OpenWindow("b")!.Key.Should().Be("2026-11-04");
    }

    [Fact]
    public void Once_window_closes_once()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var budget = Budget("Once", start: Start.AddDays(1), end: Start.AddDays(2));

        foreach (var day in (ReadOnlySpan<int>)[0, 1, 3, 4])
            Record(ledger, state, budget, Start.AddDays(day).AddHours(1));

        state.ClosedWindows("b").Should().ContainSingle().Which.Spent.Should().Be(HourlyCost.FromDecimal(1).For(TimeSpan.FromHours(24)));
    }

    [Fact]
    public void Rolling_or_replaced_window_is_not_recorded_as_closed()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var rolling = Budget("Rolling", length: "24h");
        Record(ledger, state, rolling, Start.AddDays(3));
        state.OpenWindow("b").Should().BeNull();

        var (month, week) = (Budget("Month"), Budget("Week"));
        Record(ledger, state, month, Start.AddDays(3));
        Record(ledger, state, week, Start.AddDays(4));
        state.ClosedWindows("b").Should().BeEmpty();
        state.OpenWindow("b")!.Key.Should().Be("2026-W45");
    }

    [Fact]
    public void Closed_windows_are_kept_up_to_the_requested_and_a_fixed_bound()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var budget = Budget("Day");
        foreach (var day in Enumerable.Range(0, 6))
            Record(ledger, state, budget, Start.AddDays(day).AddHours(1), 2);
        state.ClosedWindows("b").Select(one => one.Key).Should().Equal("2026-11-04", "2026-11-05");

        var hourly = Budget("Hour");
        Record(ledger, state, hourly, Start.AddDays(7), 2);
        Record(ledger, state, hourly, Start.AddDays(20));
        state.ClosedWindows("b").Count.Should().Be(OperatorState.KeptWindows);
    }

    /// <summary>Day one spends 14 and day two 24, at a limit of 20.</summary>
    [Fact]
    public void Rollover_carries_the_unspent_part_up_to_its_share_for_one_window()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var budget = Budget("Day", limit: "20", rollover: 20);
        Record(ledger, state, budget, Start.AddHours(12)).Should().Be(Amount.Zero);
        foreach (var hour in (ReadOnlySpan<int>)[1, 2, 23])
            Record(ledger, state, budget, Start.AddDays(1).AddHours(hour)).ToString(0).Should().Be("4", "6 is unspent, and 20 % is 4");
        state.OpenWindow("b")!.Limit.ToString(0).Should().Be("24");
        Record(ledger, state, budget, Start.AddDays(2).AddHours(1)).Should().Be(Amount.Zero, "what was carried over expires");
        state.ClosedWindows("b").Select(one => one.Limit.ToString(0)).Should().Equal("20", "24");
    }

    /// <summary>Day two spends 24 at a limit of 20 and two grants of 3 and 5, of which the first expires at noon.</summary>
    [Fact]
    public void Grants_close_with_their_window_and_are_not_carried_over()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var budget = Budget("Day", limit: "20", rollover: 50);
        GrantRecord Grant(string uid, int amount, DateTimeOffset expiresAt) =>
            new()
            {
                RequestUid = uid,
                Namespace = "team",
                Name = uid,
                Reason = "deadline",
                Amount = Amount.FromDecimal(amount),
                Window = "2026-11-02",
                Since = Start.AddDays(1).AddHours(1),
                ExpiresAt = expiresAt,
            };
        Record(ledger, state, Budget("Day", limit: "20"), Start.AddDays(1).AddHours(1));
        state.RecordGrants(
            "team",
            "b",
            "b",
            [Grant("first", 3, Start.AddDays(1).AddHours(12)), Grant("second", 5, Start.AddDays(2))],
            Amount.FromDecimal(8)
        );
        Record(ledger, state, budget, Start.AddDays(1).AddHours(2));
        state.OpenWindow("b")!.Limit.ToString(0).Should().Be("28");

        // The state is read again from its stored form.
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(state, stored);
        state = LedgerWorld.ReadState(stored.Values);
        Record(ledger, state, budget, Start.AddDays(2).AddHours(1))
            .Should()
            .Be(Amount.Zero, "4 of the grants are unused, and none of the limit");

        state.Grants("b").Select(grant => (grant.RequestUid, grant.Used.ToString(0))).Should().Equal(("first", "3"), ("second", "1"));
        state.ClosedWindows("b").Last().Limit.ToString(0).Should().Be("28");
        state.OpenWindow("b")!.Limit.ToString(0).Should().Be("20");
        state.ForgetBudget("b");
        state.Grants("b").Should().BeEmpty();
    }

    [Fact]
    public void Rollover_after_an_outage_or_a_change_of_the_spec_carries_no_more()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var budget = Budget("Day", limit: "30", rollover: 50);
        Record(ledger, state, budget, Start.AddHours(12));
        // Down for the whole second day, which had 30 and 15 carried over and spent 24.
        Record(ledger, state, budget, Start.AddDays(2).AddHours(1)).ToString(0).Should().Be("6");
        Record(ledger, state, Budget("Day", limit: "30", rollover: 10), Start.AddDays(2).AddHours(2)).ToString(0).Should().Be("3");
        Record(ledger, state, Budget("Day", limit: "30"), Start.AddDays(2).AddHours(3)).Should().Be(Amount.Zero);
        Record(ledger, state, budget, Start.AddDays(2).AddHours(4)).Should().Be(Amount.Zero, "it applies from the next window on");
    }

    /// <summary>Conservation: over any number of windows, spending within the limits never exceeds what the limits gave.</summary>
    [Fact]
    public void Rollover_creates_no_budget()
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var (given, spent, carried) = (0m, 0m, 0m);
            var percent = random.Next(1, 101);
            for (var window = 0; window < 20; window++)
            {
                var limit = random.Next(1, 100);
                var counted = new CountedWindow("w", Start, Start, Amount.FromDecimal(limit + carried), Amount.FromDecimal(carried));
                var uses = Math.Min(random.Next(0, 150), limit + carried);
                given += limit;
                spent += uses;
                var unspent = decimal.Parse(
                    counted.Unspent(Amount.FromDecimal(uses)).ToString(),
                    System.Globalization.CultureInfo.InvariantCulture
                );
                unspent.Should().BeLessThanOrEqualTo(limit);
                carried = Math.Min(unspent, random.Next(1, 100) * percent / 100m);
                (spent + carried).Should().BeLessThanOrEqualTo(given, "seed {0}, window {1}", seed, window);
            }
        }
    }

    private static Amount Record(GpuLedger ledger, OperatorState state, ReadBudget budget, DateTimeOffset now, int keptDays = 400) =>
        BudgetRecorder.RecordWindows(ledger, state, budget, now, keptDays, _ => null, _ => true);

    private static ReadBudget Budget(
        string period,
        string? length = null,
        string? topUp = null,
        DateTimeOffset? start = null,
        DateTimeOffset? end = null,
        string limit = "10",
        int? rollover = null
    )
    {
        var entity = new V1Alpha1GpuBudget
        {
            Metadata = new()
            {
                Name = "b",
                Namespace = "team",
                Uid = "b",
            },
            Spec = new()
            {
                Limit = new() { Cost = limit },
                Rollover = rollover is { } percent ? new() { MaxPercent = percent } : null,
                Window = new()
                {
                    Period = period,
                    Length = length,
                    Start = start is { } from ? Bursar.Core.Text.Rfc3339.Format(from) : null,
                    End = end is { } to ? Bursar.Core.Text.Rfc3339.Format(to) : null,
                },
                TopUps = topUp is null ? null : [new() { Amount = "5", Window = topUp }],
            },
        };
        GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt).Should().BeEmpty();
        return new(entity, terms!, selector, exempt, [entity.Metadata.Namespace]);
    }

    /// <summary>One GPU at 1 USD/h from 10:00 on the first day.</summary>
    private static GpuLedger Ledger()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.Reprice("T4", GpuHourPrice.FromDecimal(1), Start);
        ledger.Observe(
            new()
            {
                Uid = "p",
                Pod = "p",
                Workload = new("team", "Job", "train", "j"),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "n1",
                Product = "T4",
                Gpus = 1,
                ScheduledAt = Start.AddHours(10),
                ObservedAt = Start.AddHours(10),
            }
        );
        return ledger;
    }
}
