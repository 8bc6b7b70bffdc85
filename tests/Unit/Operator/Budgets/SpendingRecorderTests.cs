using Bursar.Api;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Operator.Budgets;
using Bursar.Operator.Suspension;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Ledger;

namespace Bursar.Tests.Unit.Operator.Budgets;

/// <summary>One GPU at 1 USD/h with the label team=nlp from 10:00 on the first of November.</summary>
public sealed class SpendingRecorderTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Complete_days_are_recorded_and_read_back()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        ModelAt(Start.AddDays(1).AddMinutes(5), ledger, state).Should().BeNull();
        state.Spending("b").Should().BeNull("the first day is recorded when its last pods have been observed");

        ModelAt(Start.AddDays(1).AddMinutes(10), ledger, state);
        Amounts(state).Should().Equal("14");
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        LedgerWorld.Write(state, stored);
        (ledger, state) = (LedgerWorld.Read(stored.Values), LedgerWorld.ReadState(stored.Values));

        // The operator was down for two days.
        var model = ModelAt(Start.AddDays(3).AddHours(1), ledger, state);
        Amounts(state).Should().Equal("14", "24", "24");
        model!.End.Should().Be(Start.AddDays(3));
        model.Horizon.Should().Be(27);
    }

    [Fact]
    public void Model_is_fitted_once_per_day_and_window()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        var time = new At(Start.AddDays(5).AddHours(1));
        var recorder = new SpendingRecorder(ledger, state, time);
        var month = recorder.ModelOf(Budget("Month"));

        time.Now = Start.AddDays(5).AddHours(20);
        recorder.ModelOf(Budget("Month")).Should().BeSameAs(month);
        recorder.ModelOf(Budget("Week"))!.Horizon.Should().Be(3, "that week ends on the 9th");
        time.Now = Start.AddDays(6).AddHours(1);
        recorder.ModelOf(Budget("Month"))!.End.Should().Be(Start.AddDays(6));
    }

    [Fact]
    public void Short_window_has_a_history_of_hours()
    {
        var (ledger, state) = (Ledger(), new OperatorState());

        var model = ModelAt(Start.AddDays(1).AddHours(2.5), ledger, state, Budget("Day"))!;

        state.Spending("b")!.Step.Should().Be(TimeSpan.FromHours(1));
        Amounts(state).Should().HaveCount(26).And.EndWith("1");
        model.Horizon.Should().Be(22);
    }

    [Fact]
    public void Changed_selector_begins_a_new_history_from_the_ledger()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        ModelAt(Start.AddDays(3).AddHours(1), ledger, state, Budget("Month", team: "nlp"));
        Amounts(state).Should().Equal("14", "24", "24");

        ModelAt(Start.AddDays(4).AddHours(1), ledger, state, Budget("Month", team: "vision"));

        Amounts(state).Should().Equal("0", "0", "0", "0");
    }

    [Fact]
    public void History_is_bounded_and_a_rolling_window_has_none()
    {
        var (ledger, state) = (Ledger(), new OperatorState());
        ModelAt(Start.AddDays(200), ledger, state);
        Amounts(state).Should().HaveCount(SpendingHistory.Kept - 1).And.OnlyContain(amount => amount == "24");

        state = new();
        ModelAt(Start.AddDays(5), ledger, state, Budget("Rolling", length: "168h")).Should().BeNull();
        state.Spending("b").Should().BeNull();
    }

    private static IEnumerable<string> Amounts(OperatorState state) => state.Spending("b")!.Amounts.Select(amount => amount.ToString(0));

    private static SpendingModel? ModelAt(DateTimeOffset now, GpuLedger ledger, OperatorState state, ReadBudget? budget = null) =>
        new SpendingRecorder(ledger, state, new At(now)).ModelOf(budget ?? Budget("Month"));

    private static ReadBudget Budget(string period, string? length = null, string? team = null)
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
                Limit = new() { Cost = "1000" },
                Window = new() { Period = period, Length = length },
                Selector = team is null ? null : new() { MatchLabels = new Dictionary<string, string> { ["team"] = team } },
            },
        };
        GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt).Should().BeEmpty();
        return new(entity, terms!, selector, exempt, [entity.Metadata.Namespace]);
    }

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
                Labels = new Dictionary<string, string> { ["team"] = "nlp" },
                Node = "n1",
                Product = "T4",
                Gpus = 1,
                ScheduledAt = Start.AddHours(10),
                ObservedAt = Start.AddHours(10),
            }
        );
        return ledger;
    }

    private sealed class At(DateTimeOffset now) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = now;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
