using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class SettleTests
{
    private static readonly DateTimeOffset Appeared = new(2026, 11, 21, 9, 0, 0, 700, TimeSpan.Zero);

    // Creation times have whole seconds: on a real server, a job created 0.2 s after its budget was once treated as older than it
    // and got a settle time of a minute.
    [Theory]
    [InlineData(0, false)]
    [InlineData(-1, true)]
    [InlineData(1, false)]
    public void Creation_times_are_whole_seconds(int secondsFromTheBudgets, bool settling)
    {
        var created = new DateTimeOffset(2026, 11, 21, 9, 0, 0, TimeSpan.Zero).AddSeconds(secondsFromTheBudgets);
        var work = new WorkloadSnapshot
        {
            Key = new("team", "Job", "a", "uid"),
            Class = WorkloadClass.Training,
            State = WorkloadState.Running,
            CreatedAt = created,
        };
        var memory = new BudgetMemory { SettleFrom = Appeared, SettleUntil = Appeared.AddSeconds(60) };
        BudgetMemoryUpdate.IsSettling(work, memory, Appeared.AddSeconds(5)).Should().Be(settling);
    }

    // The operator may evaluate a budget for the first time some seconds after its creation.
    [Fact]
    public void Settle_time_starts_at_the_creation_of_the_budget()
    {
        var snapshot = new BudgetSnapshot
        {
            Namespace = "team",
            Name = "b",
            Uid = "u",
            Now = Appeared.AddSeconds(4),
            CreatedAt = Appeared,
            Terms = new() { Limit = new(1), Window = new(Bursar.Core.Budgets.WindowPeriod.Month) },
            Window = new(Appeared.AddDays(-1), Appeared.AddDays(1), "2026-11"),
            Spent = new(0),
            Memory = new(),
        };
        BudgetMemoryUpdate.Begin(snapshot, new(1)).SettleFrom.Should().Be(Appeared);
    }
}
