using Bursar.Core.Scaling;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Scaling;

public sealed class FormulaTests
{
    private static readonly Dictionary<string, double?> Values = new()
    {
        ["a"] = 3,
        ["b"] = 1.5,
        ["c"] = 0,
        ["big"] = 1e308,
        ["none"] = null,
        ["nan"] = double.NaN,
    };

    // The first six are forms from the documentation and tests of KEDA.
    [Theory]
    [InlineData("(a + b)/2", 2.25)]
    [InlineData("a > 2 ? a + b : 1", 4.5)]
    [InlineData("count([a,b,c],{#>1}) > 1 ? 5 : 0", 5.0)]
    [InlineData("a < 2 ? a+b >= 2 ? 5 : 10 : 0", 0.0)]
    [InlineData("none ?? missing ?? 8", 8.0)]
    [InlineData("max(a, b/1000)", 3.0)]
    [InlineData("1 + 2 * 3", 7.0)]
    [InlineData("-2 ** 2", -4.0)]
    [InlineData("2 ** 3 ** 2", 512.0)]
    [InlineData("2 ^ 3", 8.0)]
    [InlineData("2 ** -1", 0.5)]
    [InlineData("7 % 4 - -1", 4.0)]
    [InlineData("10 - 3 - 2", 5.0)]
    [InlineData("none ?? 1 + a", 4.0)] // ?? binds strongest
    [InlineData("a ?? 9", 3.0)]
    [InlineData("none == nil ? 1 : 2", 1.0)]
    [InlineData("none != nil ? none : 2", 2.0)]
    [InlineData("a == nil ? 1 : 2", 2.0)]
    [InlineData("not (a > 2) || b == 1.5 ? 1 : 2", 1.0)]
    [InlineData("a > 2 and !(b > 2) ? 1 : 2", 1.0)]
    [InlineData("c == 0 || none > 1 ? 1 : 2", 1.0)] // decided before nil is looked at
    [InlineData("a < 1 && none > 1 ? 1 : 2", 2.0)]
    [InlineData("min(a, [b, c], 7)", 0.0)]
    [InlineData("sum([a, b, 1_000])", 1004.5)]
    [InlineData("mean([a, b]) + avg(1, 3)", 4.25)]
    [InlineData("median([5, 1, 3]) + median(1, 2)", 4.5)]
    [InlineData("sum(filter([a, none, b], {# != nil}))", 4.5)]
    [InlineData("max(map([a, b], {# * 2}))", 6.0)]
    [InlineData("count(map([a, b], {# > 2}))", 1.0)]
    [InlineData("any([a,b], # > 2) && all([a,b], {# > 1}) && none([a,b], {# > 5}) && one([a,b], {# > 2}) ? 1 : 0", 1.0)]
    [InlineData("len(filter([a,b,c], {# > 1}))", 2.0)]
    [InlineData("count([1,2,3], {count([1,2,3], {# > 1}) > 1 && # > 2})", 1.0)]
    [InlineData("abs(-a) + ceil(1.2) + floor(1.8) + round(2.5) + round(-0.5) + int(1.9) + float(1)", 10.0)]
    [InlineData("1.5e2 + .5", 150.5)]
    [InlineData("true ? a : b", 3.0)]
    [InlineData("sum([])", 0.0)]
    public void Formula_evaluates_to_a_number(string text, double expected) =>
        Parse(text).Evaluate(Values).Should().BeApproximately(expected, 1e-12);

    [Theory]
    [InlineData("none")]
    [InlineData("missing")]
    [InlineData("nan + 1")]
    [InlineData("a / c")]
    [InlineData("a % 0")]
    [InlineData("big * big")]
    [InlineData("none + 1")]
    [InlineData("none > 1 ? 1 : 2")]
    [InlineData("-none")]
    [InlineData("max(a, none)")]
    [InlineData("count([a, none], {# > 1})")]
    [InlineData("(-8) ** 0.5")]
    // Unknown is not zero.
    [InlineData("mean(filter([none], {# != nil}))")]
    [InlineData("max([])")]
    [InlineData("median([])")]
    public void Formula_over_missing_values_has_no_result(string text) => Parse(text).Evaluate(Values).Should().BeNull();

    [Theory]
    [InlineData("", "a value is expected at the end")]
    [InlineData("a +", "a value is expected at the end")]
    [InlineData("(a", "')'")]
    [InlineData("a b", "'b'")]
    [InlineData("a > 1", "a boolean")]
    [InlineData("[a, b]", "a list")]
    [InlineData("nil", "nil")]
    [InlineData("a ? 1 : 2", "not a boolean")]
    [InlineData("a > 1 ? 2 : b > 1", "side of :")]
    [InlineData("a + (b > 1)", "needs numbers on both sides")]
    [InlineData("a && b > 1", "needs booleans")]
    [InlineData("foo(a)", "no function foo")]
    [InlineData("# > 1 ? 1 : 2", "#")]
    [InlineData("count(a, {# > 1})", "list")]
    [InlineData("count([a])", "takes a list and a boolean")]
    [InlineData("filter([a], {# + 1})", "takes a list and a boolean")]
    [InlineData("round(a, 2)", "one number")]
    [InlineData("max()", "numbers")]
    [InlineData("1..2", "not a number")]
    [InlineData("a; b", "';'")]
    [InlineData("'x'", "'")]
    [InlineData("a.b", "'.'")]
    [InlineData("[1, a > 1]", "list")]
    public void Unreadable_formula_is_refused_with_a_reason(string text, string reason)
    {
        Formula.TryParse(text, out string error).Should().BeNull();
        error.Should().Contain(reason).And.StartWith("at ");
    }

    [Fact]
    public void Formula_lists_the_triggers_that_it_names() =>
        Parse("count([trig_one, trig_two], {# > other}) > 1 ? max(a1, trig_one) : nil ?? 2")
            .Names.Should()
            .BeEquivalentTo(["trig_one", "trig_two", "other", "a1"]);

    [Fact]
    public void Formula_that_nests_or_multiplies_without_bound_is_stopped()
    {
        foreach (string open in new[] { "(", "-", "[", "!", "max(", "1 ?? ", "a > 1 ? 1 : ", "2 ** " })
            Formula.TryParse(string.Concat(Enumerable.Repeat(open, 4000 / open.Length)) + "1", out string error).Should().BeNull(open);
        Formula.TryParse(string.Join('+', Enumerable.Repeat("1", 150)), out _)!.Evaluate(Values).Should().Be(150);
        Formula.TryParse(string.Join('+', Enumerable.Repeat("1", 2000)), out string deep).Should().BeNull();
        deep.Should().Contain("nested");
        Formula.TryParse(new string('1', 5000), out _).Should().BeNull();
        string list = "[" + string.Join(',', Enumerable.Range(0, 100)) + "]",
            within = "# > 1";
        for (int i = 0; i < 8; i++)
            within = $"count({list}, {{{within}}}) > 1";
        Parse($"{within} ? 1 : 0").Evaluate(Values).Should().BeNull();
    }

    [Fact]
    public void Parser_accepts_any_text_without_an_exception()
    {
        string[] words =
        [
            "a",
            "b",
            "none",
            "1",
            "2.5",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "#",
            ",",
            "?",
            ":",
            "??",
            "+",
            "-",
            "*",
            "/",
            "%",
            "**",
            "<",
            ">=",
            "==",
            "!=",
            "&&",
            "||",
            "!",
            "not ",
            "and ",
            "or ",
            "nil",
            "max(",
            "count(",
            "filter(",
            "map(",
            "sum(",
            "median(",
            " ",
            "\u00e9",
            "_",
            ".",
            "e",
        ];
        var texts = Gen.ArrayOf(Gen.Elements(words)).Select(string.Concat);
        Prop.ForAll(texts.ToArbitrary(), text =>
            {
                var formula = Formula.TryParse(text, out string error);
                if (formula is null)
                    error.Should().NotBeEmpty(text);
                else if (formula.Evaluate(Values) is { } value)
                    double.IsFinite(value).Should().BeTrue(text);
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5000));
    }

    private static Formula Parse(string text)
    {
        var formula = Formula.TryParse(text, out string error);
        formula.Should().NotBeNull(error);
        return formula!;
    }
}
