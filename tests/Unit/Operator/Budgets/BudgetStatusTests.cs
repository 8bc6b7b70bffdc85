using Bursar.Api;
using Bursar.Operator.Budgets;

namespace Bursar.Tests.Unit.Operator.Budgets;

public sealed class BudgetStatusTests
{
    private static GpuBudgetStatus With(Action<GpuBudgetStatus>? change = null)
    {
        var status = new GpuBudgetStatus
        {
            State = "OnTrack",
            ObservedGeneration = 1,
            Limit = "10.000000",
            Spent = "1.000000",
            Projected = "2.000000",
            OutsideSelector = "0.000000",
            BurnRatePerHour = "6.12",
            SuspendedCount = 0,
            Workloads = [new() { Name = "train", State = "Running" }],
        };
        change?.Invoke(status);
        return status;
    }

    public static TheoryData<string, GpuBudgetStatus?, GpuBudgetStatus, double, double?> Changes =>
        new()
        {
            { "the first", null, With(), 0, 0 },
            { "the same", With(), With(), 3600, null },
            { "another state", With(), With(s => s.State = "ProjectedOver"), 0, 0 },
            { "work that was suspended", With(), With(s => s.SuspendedCount = 1), 0, 0 },
            { "work that began to run", With(s => s.Workloads = [new() { Name = "train", State = "Pending" }]), With(), 0, 0 },
            { "1 % of the limit", With(), With(s => s.Spent = "1.100000"), 0, 0 },
            { "less than 1 % of the limit", With(), With(s => s.Spent = "1.090000"), 10, 50 },
            { "less than 1 % of the limit, a minute later", With(), With(s => s.Spent = "1.090000"), 60, 0 },
            { "a pod that ended just after the write", With(), With(s => s.BurnRatePerHour = "3.06"), 2, 3 },
            { "a pod that ended", With(), With(s => s.BurnRatePerHour = "3.06"), 5, 0 },
            {
                "another reason while no money moves",
                With(Because("WaitingForBudget: it needs 5.00.")),
                With(Because("WaitingForBudget: it needs 5.00. It is also suspended by budget b.")),
                10,
                50
            },
            {
                "the same reason",
                With(Because("WaitingForBudget: it needs 5.00.")),
                With(Because("WaitingForBudget: it needs 5.00.")),
                3600,
                null
            },
            { "another namespace", With(Covering("a")), With(Covering("a", "b")), 0, 0 },
            { "the same namespaces", With(Covering("a", "b")), With(Covering("a", "b")), 3600, null },
            { "a namespace in place of another", With(Covering("a")), With(Covering("b")), 0, 0 },
            { "a forecast that moved by 1 % of the limit", With(Forecast("8")), With(Forecast("8.1")), 0, 0 },
            { "a forecast that moved by less", With(Forecast("8")), With(Forecast("8.05")), 3600, null },
            { "the first forecast", With(), With(Forecast("8")), 0, 0 },
            { "a budget above", With(), With(s => s.Parents = ["research"]), 0, 0 },
            { "another limit below", With(Below("50")), With(Below("60")), 0, 0 },
            { "the same budget below", With(Below("50")), With(Below("50")), 3600, null },
            { "the next window", With(Window("2026-11-01", "2026-12-01")), With(Window("2026-12-01", "2027-01-01")), 0, 0 },
            { "other advice", With(Advising("feed it faster")), With(Advising("batch")), 10, 50 },
            { "the same advice", With(Advising("batch")), With(Advising("batch")), 3600, null },
            { "work that became idle", With(), With(s => s.Workloads![0].IdleSince = "2026-11-01T00:00:00Z"), 0, 0 },
            {
                "a rolling window that rolled on",
                With(Window("2026-11-20", "2026-11-21")),
                With(Window("2026-11-20T00:01:00Z", "2026-11-21T00:01:00Z")),
                60,
                null
            },
        };

    private static Action<GpuBudgetStatus> Forecast(string likely) =>
        status =>
            status.Forecast = new()
            {
                Method = "Trend",
                WindowEnd = new() { Likely = likely },
            };

    private static Action<GpuBudgetStatus> Because(string reason) =>
        status =>
            status.Workloads = [
                new()
                {
                    Name = "train",
                    State = "SuspendedByBudget",
                    Reason = reason,
                },
            ];

    private static Action<GpuBudgetStatus> Advising(string text) => status => status.Advice = [new() { Name = "train", Text = text }];

    private static Action<GpuBudgetStatus> Covering(params string[] namespaces) =>
        status => (status.NamespaceCount, status.Namespaces) = (namespaces.Length, namespaces);

    private static Action<GpuBudgetStatus> Below(string limit) => status => status.Children = [new() { Name = "team/nlp", Limit = limit }];

    private static Action<GpuBudgetStatus> Window(string start, string end) => status => status.Window = new() { Start = start, End = end };

    [Theory]
    [MemberData(nameof(Changes))]
    public void Changed_status_is_written(string what, GpuBudgetStatus? written, GpuBudgetStatus next, double sinceWrite, double? due) =>
        BudgetStatus
            .DueIn(written, next, TimeSpan.FromSeconds(sinceWrite))
            .Should()
            .Be(due is { } seconds ? TimeSpan.FromSeconds(seconds) : null, what);

    [Theory]
    [MemberData(nameof(Changes))]
    public void Reduced_status_gives_the_same_write_decision(
        string what,
        GpuBudgetStatus? written,
        GpuBudgetStatus next,
        double sinceWrite,
        double? due
    )
    {
        written?.Slim();
        BudgetStatus
            .DueIn(written, next, TimeSpan.FromSeconds(sinceWrite))
            .Should()
            .Be(due is { } seconds ? TimeSpan.FromSeconds(seconds) : null, what);
    }

    [Fact]
    public void New_decision_changes_a_reduced_status()
    {
        GpuBudgetStatus Decided(string time) =>
            With(s => s.Decisions = [new() { Time = time, Message = "why" }, new() { Time = "2026-11-01T00:00:00Z" }]);
        var written = Decided("2026-11-02T00:00:00Z");
        written.Slim();

        written.Decisions.Should().ContainSingle().Which.Message.Should().BeNull();
        BudgetStatus.DueIn(written, Decided("2026-11-02T00:00:00Z"), TimeSpan.FromHours(1)).Should().BeNull();
        BudgetStatus.DueIn(written, Decided("2026-11-03T00:00:00Z"), TimeSpan.FromHours(1)).Should().Be(TimeSpan.Zero);
    }
}
