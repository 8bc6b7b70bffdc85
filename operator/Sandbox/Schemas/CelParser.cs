using System.Globalization;
using System.Text;

namespace Bursar.Sandbox.Schemas;

/// <summary>A recursive-descent parser of the Common Expression Language, with Kubernetes' macros and optional syntax.</summary>
/// <remarks>Source of the grammar: github.com/google/cel-spec, doc/langdef.md.</remarks>
internal sealed class CelParser
{
    private const int MaxDepth = 250;
    private static readonly string[] Symbols = ["&&", "||", "==", "!=", "<=", ">=", ".?", "[?"];
    private static readonly HashSet<string> Reserved =
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _next;
    private int _depth;

    private CelParser(string source)
    {
        _source = source;
        Tokenize();
    }

    private enum TokenKind
    {
        Identifier,
        Literal,
        Symbol,
        End,
    }

    private readonly record struct Token(TokenKind Kind, string Text, object? Value, int Position);

    private Token Current => _tokens[_next];

    /// <exception cref="CelSyntaxException">The text is not an expression.</exception>
    public static CelExpression Parse(string source)
    {
        var parser = new CelParser(source);
        var expression = parser.Conditional();
        return parser.Current.Kind == TokenKind.End ? expression : throw parser.Unexpected();
    }

    private CelExpression Conditional()
    {
        if (++_depth > MaxDepth)
        {
            throw new CelSyntaxException(Current.Position, "expression recursion limit exceeded: " + MaxDepth);
        }

        var condition = Or();
        if (TakeSymbol("?") is { } question)
        {
            var yes = Or();
            Expect(":");
            condition = new CelCall(question, "_?_:_", false, [condition, yes, Conditional()]);
        }

        _depth--;
        return condition;
    }

    private CelExpression Or() => Left(And, "||");

    private CelExpression And() => Left(Relation, "&&");

    private CelExpression Relation() => Left(Addition, "==", "!=", "<=", ">=", "<", ">", "in");

    private CelExpression Addition() => Left(Multiplication, "+", "-");

    private CelExpression Multiplication() => Left(Unary, "*", "/", "%");

    private CelExpression Left(Func<CelExpression> operand, params ReadOnlySpan<string> operators)
    {
        var left = operand();
        while (Current is { Kind: TokenKind.Symbol } or { Kind: TokenKind.Identifier, Text: "in" } && operators.Contains(Current.Text))
        {
            var op = _tokens[_next++];
            left = new CelCall(op.Position, op.Text == "in" ? "@in" : $"_{op.Text}_", false, [left, operand()]);
        }

        return left;
    }

    private CelExpression Unary()
    {
        if (TakeSymbol("!") is { } not)
        {
            return new CelCall(not, "!_", false, [Unary()]);
        }

        if (TakeSymbol("-") is { } minus)
        {
            if (Current is { Kind: TokenKind.Literal, Value: ulong and (9223372036854775808UL), Text: "int" })
            {
                _next++;
                return Member(new CelLiteral(minus, long.MinValue));
            }

            return Unary() switch
            {
                CelLiteral { Value: long number } => new CelLiteral(minus, -number),
                CelLiteral { Value: double number } => new CelLiteral(minus, -number),
                var operand => new CelCall(minus, "-_", false, [operand]),
            };
        }

        return Member(Primary());
    }

    private CelExpression Member(CelExpression operand)
    {
        while (true)
        {
            if (TakeSymbol(".") is { } dot)
            {
                var name = Identifier(anyWord: true);
                operand = Current is { Kind: TokenKind.Symbol, Text: "(" }
                    ? MemberCall(operand, name)
                    : new CelSelect(dot, operand, name, false, false);
            }
            else if (TakeSymbol(".?") is { } optionalDot)
            {
                operand = new CelSelect(optionalDot, operand, Identifier(anyWord: true), false, true);
            }
            else if (TakeSymbol("[") is { } bracket)
            {
                operand = new CelCall(bracket, "_[_]", false, [operand, Conditional()]);
                Expect("]");
            }
            else if (TakeSymbol("[?") is { } optionalBracket)
            {
                operand = new CelCall(optionalBracket, "_[?_]", false, [operand, Conditional()]);
                Expect("]");
            }
            else
            {
                return operand;
            }
        }
    }

    private CelExpression MemberCall(CelExpression target, string name)
    {
        var position = Current.Position;
        var arguments = Arguments();
        if (target is CelIdentifier owner && CelFunctions.IsQualified($"{owner.Name}.{name}"))
        {
            return new CelCall(position, $"{owner.Name}.{name}", false, arguments);
        }

        var variables = (name, arguments.Count) switch
        {
            ("all" or "exists" or "exists_one" or "filter" or "optMap" or "optFlatMap", 2) or ("map", 2 or 3) => 1,
            ("all" or "exists" or "existsOne", 3) or ("transformList" or "transformMap" or "transformMapEntry", 3 or 4) => 2,
            _ => 0,
        };
        if (variables == 0)
        {
            return new CelCall(position, name, true, [target, .. arguments]);
        }

        return new CelMacro(
            position,
            name == "existsOne" ? "exists_one" : name,
            target,
            Variable(arguments[0]),
            variables == 2 ? Variable(arguments[1]) : null,
            arguments[variables..]
        );
    }

    private static string Variable(CelExpression argument) =>
        argument is CelIdentifier { Name: var name }
            ? name
            : throw new CelSyntaxException(argument.Position, "argument must be a simple name");

    private CelExpression Primary()
    {
        var token = _tokens[_next];
        switch (token)
        {
            case { Kind: TokenKind.Literal, Value: ulong, Text: "int" }:
                throw new CelSyntaxException(token.Position, "Syntax error: invalid int literal");
            case { Kind: TokenKind.Literal }:
                _next++;
                return new CelLiteral(token.Position, token.Value);
            case { Kind: TokenKind.Identifier }:
                var name = Identifier(anyWord: false);
                return Current is { Kind: TokenKind.Symbol, Text: "(" } ? GlobalCall(name) : new CelIdentifier(token.Position, name);
            case { Kind: TokenKind.Symbol, Text: "(" }:
                _next++;
                var inner = Conditional();
                Expect(")");
                return inner;
            case { Kind: TokenKind.Symbol, Text: "[" or "[?" }:
                return List(token);
            case { Kind: TokenKind.Symbol, Text: "{" }:
                return Map(token);
            default:
                throw Unexpected();
        }
    }

    private CelExpression GlobalCall(string name)
    {
        var position = Current.Position;
        var arguments = Arguments();
        if (name != "has")
        {
            return new CelCall(position, name, false, arguments);
        }

        return arguments is [CelSelect { IsTest: false, IsOptional: false } select]
            ? select with
            {
                IsTest = true,
            }
            : throw new CelSyntaxException(
                arguments is [var argument, ..] ? argument.Position : position,
                "invalid argument to has() macro"
            );
    }

    private List<CelExpression> Arguments()
    {
        Expect("(");
        var arguments = new List<CelExpression>();
        while (TakeSymbol(")") is null)
        {
            if (arguments.Count > 0)
            {
                Expect(",");
            }

            arguments.Add(Conditional());
        }

        return arguments;
    }

    private CelListLiteral List(Token open)
    {
        _next++;
        var items = new List<(CelExpression, bool)>();
        var optional = open.Text == "[?";
        while (optional || TakeSymbol("]") is null)
        {
            optional |= TakeSymbol("?") is not null;
            items.Add((Conditional(), optional));
            optional = false;
            if (TakeSymbol(",") is null)
            {
                Expect("]");
                break;
            }
        }

        return new CelListLiteral(open.Position, items);
    }

    private CelMapLiteral Map(Token open)
    {
        _next++;
        var entries = new List<(CelExpression, CelExpression, bool)>();
        while (TakeSymbol("}") is null)
        {
            var optional = TakeSymbol("?") is not null;
            var key = Conditional();
            Expect(":");
            entries.Add((key, Conditional(), optional));
            if (TakeSymbol(",") is null)
            {
                Expect("}");
                break;
            }
        }

        return new CelMapLiteral(open.Position, entries);
    }

    private string Identifier(bool anyWord)
    {
        if (Current.Kind != TokenKind.Identifier || Current.Text == "in" || (!anyWord && Reserved.Contains(Current.Text)))
        {
            throw Unexpected();
        }

        return _tokens[_next++].Text;
    }

    private int? TakeSymbol(string text) => Current.Kind == TokenKind.Symbol && Current.Text == text ? _tokens[_next++].Position : null;

    private void Expect(string text)
    {
        if (TakeSymbol(text) is null)
        {
            throw Unexpected();
        }
    }

    private CelSyntaxException Unexpected() =>
        new(
            Current.Position,
            $"Syntax error: unexpected '{(Current.Kind == TokenKind.End ? "<EOF>" : _source[Current.Position..Math.Min(_source.Length, Current.Position + Math.Max(1, Current.Text.Length))])}'"
        );

    private void Tokenize()
    {
        var at = 0;
        while (true)
        {
            while (at < _source.Length && (char.IsWhiteSpace(_source[at]) || At(at, "//")))
            {
                at =
                    At(at, "//") && _source.IndexOf('\n', at) is var end
                        ? end < 0
                            ? _source.Length
                            : end
                        : at + 1;
            }

            if (at >= _source.Length)
            {
                _tokens.Add(new Token(TokenKind.End, "", null, _source.Length));
                return;
            }

            at = Next(at);
        }
    }

    private bool At(int at, string text) => string.CompareOrdinal(_source, at, text, 0, text.Length) == 0;

    private int Next(int start)
    {
        var at = start;
        while (at < _source.Length && (char.IsAsciiLetterOrDigit(_source[at]) || _source[at] == '_'))
        {
            at++;
        }

        if (
            char.IsAsciiDigit(_source[start])
            || (_source[start] == '.' && start + 1 < _source.Length && char.IsAsciiDigit(_source[start + 1]))
        )
        {
            return Number(start);
        }

        var word = _source[start..at];
        if (at < _source.Length && _source[at] is '"' or '\'' && word.ToLowerInvariant() is "" or "r" or "b" or "br" or "rb")
        {
            return Quoted(start, at, word.ToLowerInvariant());
        }

        if (word.Length > 0)
        {
            _tokens.Add(
                word switch
                {
                    "true" => new Token(TokenKind.Literal, word, true, start),
                    "false" => new Token(TokenKind.Literal, word, false, start),
                    "null" => new Token(TokenKind.Literal, word, null, start),
                    _ => new Token(TokenKind.Identifier, word, null, start),
                }
            );
            return at;
        }

        var symbol = Symbols.FirstOrDefault(s => At(start, s)) ?? _source[start].ToString();
        if (symbol.Length == 1 && !"+-*/%<>!?:.,()[]{}".Contains(symbol[0], StringComparison.Ordinal))
        {
            throw new CelSyntaxException(start, $"Syntax error: token recognition error at: '{symbol}'");
        }

        _tokens.Add(new Token(TokenKind.Symbol, symbol, null, start));
        return start + symbol.Length;
    }

    private int Number(int start)
    {
        var at = start;
        var hex = At(start, "0x") || At(start, "0X");
        at += hex ? 2 : 0;
        var real = false;
        while (at < _source.Length)
        {
            var c = _source[at];
            if (hex ? char.IsAsciiHexDigit(c) : char.IsAsciiDigit(c))
            {
                at++;
            }
            else if (!hex && !real && c == '.' && at + 1 < _source.Length && char.IsAsciiDigit(_source[at + 1]))
            {
                real = true;
                at++;
            }
            else if (!hex && c is 'e' or 'E')
            {
                real = true;
                at += at + 1 < _source.Length && _source[at + 1] is '+' or '-' ? 2 : 1;
            }
            else
            {
                break;
            }
        }

        var digits = _source[(hex ? start + 2 : start)..at];
        if (real)
        {
            Add(double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null, "double");
            return at;
        }

        object? whole = ulong.TryParse(
            digits,
            hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var value
        )
            ? value
            : null;
        if (at < _source.Length && _source[at] is 'u' or 'U')
        {
            Add(whole, "uint");
            return at + 1;
        }

        // 2^63 is an int only after a minus sign.
        Add(whole is ulong small and <= long.MaxValue ? (long)small : whole, "int");
        return at;

        void Add(object? literal, string type) =>
            _tokens.Add(
                literal is null
                    ? throw new CelSyntaxException(start, $"Syntax error: invalid {type} literal")
                    : new Token(TokenKind.Literal, type, literal, start)
            );
    }

    private int Quoted(int start, int at, string prefix)
    {
        var quote =
            _source.Length >= at + 3 && _source[at] == _source[at + 1] && _source[at] == _source[at + 2]
                ? _source.Substring(at, 3)
                : _source[at].ToString();
        at += quote.Length;
        var bytes = prefix.Contains('b', StringComparison.Ordinal);
        var text = new StringBuilder();
        var raw = new List<byte>();
        while (at < _source.Length && !At(at, quote) && (quote.Length == 3 || _source[at] is not '\n'))
        {
            var end = at + 1;
            if (_source[at] == '\\' && !prefix.Contains('r', StringComparison.Ordinal) && end < _source.Length)
            {
                var (value, length, isByte) = Escape(at);
                end = at + length;
                if (bytes && isByte)
                {
                    raw.Add((byte)value);
                }
                else
                {
                    Append(char.ConvertFromUtf32(value));
                }
            }
            else
            {
                end += char.IsHighSurrogate(_source[at]) && end < _source.Length ? 1 : 0;
                Append(_source[at..end]);
            }

            at = end;
        }

        if (!At(at, quote))
        {
            throw new CelSyntaxException(start, $"Syntax error: token recognition error at: '{_source[start..]}'");
        }

        _tokens.Add(new Token(TokenKind.Literal, "string", bytes ? raw.ToArray() : text.ToString(), start));
        return at + quote.Length;

        void Append(string piece)
        {
            text.Append(piece);
            raw.AddRange(Encoding.UTF8.GetBytes(piece));
        }
    }

    /// <summary>
    /// Returns the code point of an escape, its length with the backslash, and whether it is a single byte in a bytes literal.
    /// </summary>
    private (int Value, int Length, bool IsByte) Escape(int at)
    {
        var c = _source[at + 1];
        var simple = "abfnrtv\\'\"`?".IndexOf(c, StringComparison.Ordinal);
        if (simple >= 0)
        {
            return ("\a\b\f\n\r\t\v\\'\"`?"[simple], 2, false);
        }

        var (digits, radix, skip) = c switch
        {
            'x' or 'X' => (2, 16, 2),
            'u' => (4, 16, 2),
            'U' => (8, 16, 2),
            >= '0' and <= '3' => (3, 8, 1),
            _ => (0, 0, 0),
        };
        if (digits > 0 && at + skip + digits <= _source.Length)
        {
            try
            {
                var value = Convert.ToInt32(_source.Substring(at + skip, digits), radix);
                if (value is >= 0 and < 0xD800 or >= 0xE000 and <= 0x10FFFF)
                {
                    return (value, skip + digits, c is 'x' or 'X' || skip == 1);
                }
            }
            catch (FormatException)
            {
                // The error below names the position.
            }
        }

        throw new CelSyntaxException(at, "Syntax error: invalid escape sequence");
    }
}
