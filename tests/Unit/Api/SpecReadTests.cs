using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Text;

namespace Bursar.Tests.Unit.Api;

public class SpecReadTests
{
    [Fact]
    public void Spec_is_parsed_once_for_each_generation()
    {
        var first = Budget(1, "500");
        SpecRefusal.Check(first, null);
        GpuBudgetReader.Read(first, out var terms, out _, out _).Should().BeEmpty();

        // A write of the status gives a new object with the same spec.
        var written = Budget(1, "500");
        SpecRefusal.Check(written, first);
        GpuBudgetReader.Read(written, out var same, out _, out _).Should().BeEmpty();
        same.Should().BeSameAs(terms);

        var changed = Budget(2, "600");
        SpecRefusal.Check(changed, written);
        GpuBudgetReader.Read(changed, out var next, out _, out _).Should().BeEmpty();
        next!.Limit.ToString().Should().StartWith("600");
    }

    [Fact]
    public void Refused_update_keeps_the_spec_before_it_through_later_status_writes()
    {
        var valid = Budget(1, "500");
        SpecRefusal.Check(valid, null);
        var refused = Budget(2, "much");
        SpecRefusal.Check(refused, valid);
        var written = Budget(2, "much");
        SpecRefusal.Check(written, refused);

        written.Refusal!.InForce.Should().Be(1);
        GpuBudgetReader.Read(written, out var terms, out _, out _).Should().BeEmpty();
        terms!.Limit.ToString().Should().StartWith("500");

        var another = Budget(2, "much", uid: "another");
        SpecRefusal.Check(another, written);
        another.Refusal!.InForce.Should().BeNull("it is another object of the same name");
    }

    [Fact]
    public void Idle_is_off_unless_given_and_has_defaults()
    {
        Read(null).Terms!.Idle.Should().BeNull();
        Read(
            new()
            {
                After = null,
                BelowPercent = null,
                Action = null,
            }
        )
            .Terms!.Idle.Should()
            .Be(new IdleTerms(TimeSpan.FromHours(2), 3, IdleAction.Report));
        Read(
            new()
            {
                After = "1d12h",
                BelowPercent = 10,
                Action = "Suspend",
            }
        )
            .Terms!.Idle.Should()
            .Be(new IdleTerms(TimeSpan.FromHours(36), 10, IdleAction.Suspend));
    }

    [Theory]
    [InlineData("4m", 3, "Report", "spec.idle.after")]
    [InlineData("31d", 3, "Report", "spec.idle.after")]
    [InlineData("soon", 3, "Report", "spec.idle.after")]
    [InlineData("2h", 0, "Report", "spec.idle.belowPercent")]
    [InlineData("2h", 101, "Report", "spec.idle.belowPercent")]
    [InlineData("2h", 3, "Delete", "spec.idle.action")]
    public void Idle_that_cannot_be_used_names_its_field(string after, int below, string action, string path) =>
        Read(
            new()
            {
                After = after,
                BelowPercent = below,
                Action = action,
            }
        )
            .Errors.Should()
            .ContainSingle()
            .Which.Path.Should()
            .Be(path);

    private static (BudgetTerms? Terms, IReadOnlyList<FieldError> Errors) Read(GpuBudgetIdle? idle)
    {
        var budget = new V1Alpha1GpuBudget
        {
            Metadata = new() { Name = "b" },
            Spec = new()
            {
                Limit = new() { Cost = "2" },
                Idle = idle,
            },
        };
        var errors = GpuBudgetReader.Read(budget, out var terms, out _, out _);
        return (terms, errors);
    }

    private static V1Alpha1GpuBudget Budget(long generation, string limit, string uid = "u") =>
        new()
        {
            Metadata = new()
            {
                Name = "b",
                Namespace = "team",
                Uid = uid,
                Generation = generation,
            },
            Spec = new()
            {
                Limit = new() { Cost = limit },
                Window = new() { Period = "Month" },
            },
        };
}
