using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Kubernetes.Objects;

namespace Bursar.Tests.Unit.Api;

public sealed class GpuBudgetRequestReaderTests
{
    [Theory]
    [InlineData("nlp", null, "50", null, null)]
    [InlineData(null, "research", "2.295", "2026-11-21T00:00:00Z", null)]
    [InlineData(null, null, "50", null, "spec: names either a budget or a clusterBudget")]
    [InlineData("nlp", "research", "50", null, "spec: names either a budget or a clusterBudget")]
    [InlineData("nlp", null, "0", null, "spec.amount: is not an amount above zero, such as \"50\" or \"2.295\"")]
    [InlineData("nlp", null, "-5", null, "spec.amount: is not an amount above zero, such as \"50\" or \"2.295\"")]
    [InlineData("nlp", null, "much", null, "spec.amount: is not an amount above zero, such as \"50\" or \"2.295\"")]
    [InlineData("nlp", null, null, null, "spec.amount: is not an amount above zero, such as \"50\" or \"2.295\"")]
    [InlineData("nlp", null, "50", "tomorrow", "spec.until: is not a time such as 2026-11-21T00:00:00Z")]
    public void Spec_is_read_or_its_fault_named(string? budget, string? cluster, string? amount, string? until, string? fault)
    {
        var read = GpuBudgetRequestReader.Read(
            Request(
                new()
                {
                    Budget = budget,
                    ClusterBudget = cluster,
                    Amount = amount,
                    Until = until,
                    Reason = "deadline",
                }
            )
        );

        read.Fault.Should().Be(fault);
        if (fault is null)
            read.Amount.Should().Be(Amount.FromDecimal(decimal.Parse(amount!, System.Globalization.CultureInfo.InvariantCulture)));
    }

    [Fact]
    public void Answer_and_earlier_grant_are_read_from_the_status()
    {
        var request = Request(new() { Budget = "nlp", Amount = "50" });
        GpuBudgetRequestReader
            .Read(request)
            .Should()
            .BeEquivalentTo(
                new
                {
                    IsApproved = false,
                    IsDenied = false,
                    Answer = (string?)null,
                }
            );

        request.Status = new()
        {
            ApprovedBy = "bob",
            Window = "2026-11",
            ExpiresAt = "2026-12-01T00:00:00Z",
            Conditions =
            [
                new()
                {
                    Type = "Approved",
                    Status = "True",
                    Message = "yes",
                },
                new()
                {
                    Type = "Denied",
                    Status = "False",
                    Message = "no",
                },
            ],
        };
        var read = GpuBudgetRequestReader.Read(request);
        (read.IsApproved, read.IsDenied, read.Answer, read.AnsweredBy).Should().Be((true, false, "yes", "bob"));
        read.GrantedBefore.Should().Be(("2026-11", new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero)));
    }

    private static V1Alpha1GpuBudgetRequest Request(GpuBudgetRequestSpec spec) =>
        new()
        {
            Metadata = new()
            {
                Name = "more",
                Namespace = "team",
                Uid = "uid",
            },
            Spec = spec,
        };
}
