using Bursar.Api;

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
