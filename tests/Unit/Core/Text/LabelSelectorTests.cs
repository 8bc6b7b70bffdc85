using Bursar.Core.Text;

namespace Bursar.Tests.Unit.Core.Text;

public sealed class LabelSelectorTests
{
    private static readonly Dictionary<string, string> Nlp = new() { ["team"] = "nlp", ["tier"] = "" };

    [Theory]
    [InlineData("In", "nlp,cv", true)]
    [InlineData("In", "cv", false)]
    [InlineData("NotIn", "cv", true)]
    [InlineData("NotIn", "nlp", false)]
    [InlineData("Exists", "", true)]
    [InlineData("DoesNotExist", "", false)]
    [InlineData("Near", "", false)]
    public void Operators_match_as_in_Kubernetes(string operation, string values, bool matches) =>
        Of("team", operation, values).Matches(Nlp).Should().Be(matches);

    [Theory]
    [InlineData("In", "x", false)]
    [InlineData("NotIn", "x", true)]
    [InlineData("Exists", "", false)]
    [InlineData("DoesNotExist", "", true)]
    public void Absent_label_is_in_no_set(string operation, string values, bool matches) =>
        Of("absent", operation, values).Matches(Nlp).Should().Be(matches);

    [Fact]
    public void Selector_needs_every_requirement_and_an_empty_one_matches_all()
    {
        LabelSelector.Everything.Matches(new Dictionary<string, string>()).Should().BeTrue();
        var both = new LabelSelector
        {
            MatchLabels = new Dictionary<string, string> { ["team"] = "nlp" },
            MatchExpressions = [new("tier", "In", [""])],
        };
        both.Matches(Nlp).Should().BeTrue();
        both.Matches(new Dictionary<string, string> { ["team"] = "nlp" }).Should().BeFalse();
        both.IsEmpty.Should().BeFalse();
    }

    [Theory]
    [InlineData("team", "In", "", "spec.selector.matchExpressions[0].values")]
    [InlineData("team", "Exists", "x", "spec.selector.matchExpressions[0].values")]
    [InlineData("team", "in", "x", "spec.selector.matchExpressions[0].operator")]
    [InlineData("-team", "Exists", "", "spec.selector.matchExpressions[0].key")]
    [InlineData("Up.Case/team", "Exists", "", "spec.selector.matchExpressions[0].key")]
    [InlineData("/team", "Exists", "", "spec.selector.matchExpressions[0].key")]
    [InlineData("team", "In", "ok,no way", "spec.selector.matchExpressions[0].values[1]")]
    public void Mistakes_are_named_with_their_path(string key, string operation, string values, string path) =>
        Of(key, operation, values).Validate("spec.selector").Select(error => error.Path).Should().Equal(path);

    [Fact]
    public void Sound_selectors_have_no_errors()
    {
        Of("example.com/team", "In", "nlp,cv-2,a_b.c").Validate("x").Should().BeEmpty();
        new LabelSelector { MatchLabels = Nlp }
            .Validate("x")
            .Should()
            .BeEmpty();
        new LabelSelector { MatchLabels = new Dictionary<string, string> { ["team"] = new('x', 64) } }
            .Validate("x")
            .Should()
            .ContainSingle();
    }

    private static LabelSelector Of(string key, string operation, string values) =>
        new() { MatchExpressions = [new(key, operation, values.Length == 0 ? [] : values.Split(','))] };
}
