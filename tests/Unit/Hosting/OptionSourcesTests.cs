using System.CommandLine;
using Bursar.Hosting;

namespace Bursar.Tests.Unit.Hosting;

public class OptionSourcesTests
{
    [Theory]
    [InlineData("true", true)]
    [InlineData("True", true)]
    [InlineData("TRUE", true)]
    [InlineData("1", true)]
    [InlineData("false", false)]
    [InlineData("False", false)]
    [InlineData("0", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void Flag_from_the_environment_is_read_in_any_case(string? text, bool expected)
    {
        var (parsed, flag) = Parse(text);

        parsed.Errors.Should().BeEmpty();
        parsed.GetValue(flag).Should().Be(expected);
    }

    [Fact]
    public void Flag_that_is_neither_true_nor_false_is_an_error()
    {
        var (parsed, _) = Parse("yes");

        parsed.Errors.Should().ContainSingle().Which.Message.Should().Contain("--test-flag").And.Contain("yes");
    }

    [Fact]
    public void Flag_on_the_command_line_goes_before_the_environment()
    {
        var (parsed, flag) = Parse("no", "--test-flag");

        parsed.Errors.Should().BeEmpty();
        parsed.GetValue(flag).Should().BeTrue();
    }

    private static (ParseResult Parsed, Option<bool> Flag) Parse(string? text, params string[] line)
    {
        var flag = OptionSources.Flag("--test-flag", "A flag.");
        Environment.SetEnvironmentVariable("BURSAR_TEST_FLAG", text);
        try
        {
            return (new RootCommand { flag }.Parse(line), flag);
        }
        finally
        {
            Environment.SetEnvironmentVariable("BURSAR_TEST_FLAG", null);
        }
    }
}
