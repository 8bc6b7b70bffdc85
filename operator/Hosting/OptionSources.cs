using System.CommandLine;
using System.Globalization;

namespace Bursar.Hosting;

/// <summary>
/// Options that may also come from the environment: <c>--log-format</c> as <c>BURSAR_LOG_FORMAT</c>. The command line goes first.
/// </summary>
public static class OptionSources
{
    public static Option<string> Text(string name, string description, string byDefault) =>
        new(name)
        {
            Description = $"{description} Also {Variable(name)}.",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(Variable(name)) is { Length: > 0 } value ? value : byDefault,
        };

    public static Option<bool> Flag(string name, string description) =>
        new(name)
        {
            Description = $"{description} Also {Variable(name)}.",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(Variable(name)) is "1" or "true",
        };

    /// <summary>A whole number between two bounds; anything else is an error of the command line.</summary>
    public static Option<int> Number(string name, string description, int byDefault, int least, int most)
    {
        int Read(string text, System.CommandLine.Parsing.ArgumentResult result)
        {
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
                return number;
            result.AddError($"{name} is a number from {least} to {most}.");
            return byDefault;
        }
        var option = new Option<int>(name)
        {
            Description = $"{description} Also {Variable(name)}.",
            DefaultValueFactory = result =>
                Environment.GetEnvironmentVariable(Variable(name)) is { Length: > 0 } value ? Read(value, result) : byDefault,
            CustomParser = result => Read(result.Tokens is [{ Value: var text }] ? text : "", result),
        };
        return option;
    }

    public static string Variable(string option) => "BURSAR_" + option.TrimStart('-').Replace('-', '_').ToUpperInvariant();
}
