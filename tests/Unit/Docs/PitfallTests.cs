using System.Text.RegularExpressions;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Docs;

/// <summary>The tests that docs/reference/pitfalls.md names exist.</summary>
public sealed partial class PitfallTests
{
    [Fact]
    public void Every_test_that_is_named_exists()
    {
        var sources = Directory
            .GetFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Select(File.ReadAllText)
            .ToArray();
        var named = Named()
            .Matches(Repository.Read("docs/reference/pitfalls.md"))
            .Select(m => (Class: m.Groups[1].Value, Method: m.Groups[2].Value))
            .ToArray();

        named.Should().HaveCountGreaterThan(40).And.OnlyHaveUniqueItems();
        named
            .Where(test =>
                !sources.Any(text =>
                    text.Contains($"class {test.Class}", StringComparison.Ordinal)
                    && Regex.IsMatch(text, $@"\[(Skippable)?(Fact|Theory)((?!public )[\s\S])*public (async )?(void|Task) {test.Method}\(")
                )
            )
            .Should()
            .BeEmpty();
    }

    [GeneratedRegex(@"`([A-Z]\w+)\.([A-Z]\w+_\w+)`")]
    private static partial Regex Named();
}
