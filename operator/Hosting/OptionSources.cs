using System.CommandLine;
using System.Globalization;

namespace Bursar.Hosting;

/// <summary>
/// Creates options that may also come from the environment, such as <c>BURSAR_LOG_FORMAT</c> for <c>--log-format</c>. The command line
/// takes precedence.
/// </summary>
public static class OptionSources
{
    /// <param name="check">Throws <see cref="FormatException"/> with the reason why a value is invalid.</param>
    public static Option<string> Text(string name, string description, string byDefault, Action<string>? check = null)
    {
        var option = new Option<string>(name)
        {
            Description = $"{description} Also {Variable(name)}.",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(Variable(name)) is { Length: > 0 } value ? value : byDefault,
        };
        if (check is null)
            return option;
        option.Validators.Add(result =>
        {
            try
            {
                check(result.GetValueOrDefault<string>() ?? "");
            }
            catch (FormatException wrong)
            {
                result.AddError($"{name}{(wrong.Message.StartsWith("is ", StringComparison.Ordinal) ? " " : ": ")}{wrong.Message}");
            }
        });
        return option;
    }

    /// <summary>Creates an option for an enumeration's values, ignoring case.</summary>
    /// <param name="choices">The list of values as a sentence with a full stop, for the help and the error.</param>
    public static Option<string> Choice<T>(string name, string choices, string byDefault)
        where T : struct, Enum => Text(name, choices, byDefault, text =>
        {
            if (!Enum.TryParse<T>(text, ignoreCase: true, out _))
                throw new FormatException($"is {choices}");
        });

    /// <summary>
    /// Creates a flag. Its environment variable must be true or false in any case, 1 or 0; otherwise it is a usage error.
    /// </summary>
    public static Option<bool> Flag(string name, string description) =>
        new(name)
        {
            Description = $"{description} Also {Variable(name)}.",
            DefaultValueFactory = result =>
            {
                var text = Environment.GetEnvironmentVariable(Variable(name));
                if (text is null or "" or "0")
                    return false;
                if (text == "1")
                    return true;
                if (!bool.TryParse(text, out var on))
                    result.AddError($"{Variable(name)} is true or false ({name}), not {text}.");
                return on;
            },
        };

    /// <summary>Creates an option for an integer between two bounds. Other values are an error of the command line.</summary>
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
