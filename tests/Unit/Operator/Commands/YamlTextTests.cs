using System.Text.Json.Nodes;
using Bursar.Kubernetes.Crds;
using YamlDotNet.RepresentationModel;

namespace Bursar.Tests.Unit.Operator.Commands;

public sealed class YamlTextTests
{
    [Fact]
    public void Keys_are_sorted_and_lists_stand_under_their_key() =>
        YamlText
            .Write(JsonNode.Parse("""{"b": [{"q": 1, "p": [2, {}]}, "s"], "a": {}, "c": []}""")!)
            .Should()
            .Be("a: {}\nb:\n- p:\n  - 2\n  - {}\n  q: 1\n- s\nc: []\n");

    [Theory]
    [InlineData("true")]
    [InlineData("No")]
    [InlineData("1")]
    [InlineData("-x")]
    [InlineData("")]
    [InlineData(" x")]
    [InlineData("x ")]
    [InlineData("a: b")]
    [InlineData("a #b")]
    [InlineData("^[0-9]{1,12}(\\.[0-9]{1,9})?$")]
    [InlineData("two\nlines \"quoted\"")]
    [InlineData("µ and €")]
    [InlineData("Spent in this window.")]
    [InlineData(".5")]
    [InlineData(".inf")]
    [InlineData("._")]
    [InlineData("1e3")]
    [InlineData("0x10")]
    [InlineData("~")]
    [InlineData("on")]
    [InlineData("OFF")]
    [InlineData("y")]
    [InlineData("2026-11-29")]
    [InlineData("12:30:45")]
    [InlineData("=")]
    [InlineData("<<")]
    [InlineData("key: value")]
    [InlineData("*alias")]
    [InlineData("&anchor")]
    [InlineData("!tag")]
    [InlineData("%directive")]
    [InlineData("@at")]
    [InlineData("`tick")]
    [InlineData("? what")]
    [InlineData("\ttab and \r return")]
    [InlineData("two\n  lines\n")]
    [InlineData("\u0085\u2028\u2029\ufeff\u007f")]
    [InlineData("a rocket 🚀 and 𝔘nicode")]
    public void String_round_trips(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(YamlText.Write(new JsonObject { ["key"] = text })));
        var node = (YamlScalarNode)((YamlMappingNode)stream.Documents[0].RootNode)["key"];
        node.Value.Should().Be(text);
        if (text is "true" or "No" or "1")
            node.Style.Should().Be(YamlDotNet.Core.ScalarStyle.DoubleQuoted);
    }

    /// <summary>Types of unquoted scalars by YAML 1.1 and 1.2; kubectl and Helm use the former.</summary>
    [Fact]
    public void Unquoted_string_is_of_no_other_type_in_any_YAML()
    {
        string[] others =
        [
            @"^(~|null|Null|NULL|)$",
            @"^(y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$",
            @"^[-+]?[0-9]",
            @"^[-+]?\.[0-9_]",
            @"^[-+]?\.(inf|Inf|INF)$",
            @"^\.(nan|NaN|NAN)$",
            @"^(=|<<)$",
            @"^[-?:,\[\]{}#&*!|>'""%@`\s]",
            @":(\s|$)",
            @"\s#",
            @"\s$",
        ];
        var random = new Random(1);
        const string signs = "aefnotxyEINOS019.+-_~:# /'\"\\\n\t=<*&!%@{}[],|>?";
        for (var i = 0; i < 20000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(0, 6)).Select(_ => signs[random.Next(signs.Length)]));
            var yaml = YamlText.Write(new JsonObject { ["key"] = text });
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            var node = (YamlScalarNode)((YamlMappingNode)stream.Documents[0].RootNode)["key"];
            node.Value.Should().Be(text);
            if (node.Style == YamlDotNet.Core.ScalarStyle.Plain)
                others
                    .Should()
                    .NotContain(other => System.Text.RegularExpressions.Regex.IsMatch(text, other), "\"{0}\" stands without quotes", text);
        }
    }

    [Fact]
    public void Character_beyond_U_FFFF_is_no_pair_of_escapes() =>
        YamlText.Write(new JsonObject { ["key"] = "🚀" }).Should().Be("key: \"\\U0001F680\"\n");
}
